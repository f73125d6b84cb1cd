"""Networks: functions or classes that make an `nn.Module` from plain values."""
