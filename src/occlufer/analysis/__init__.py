"""Run folders -> metrics, tables, statistics, figures and the report page. Reads nothing but run folders."""
