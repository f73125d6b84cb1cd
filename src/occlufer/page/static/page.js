"use strict";

const at = (id) => document.getElementById(id);
const SVG = "http://www.w3.org/2000/svg";
const STARTS = ["mask", "headset"];
let choices = null;
let face = null;
let wanted = 0;  // the number of the latest question: answers to earlier ones come too late
let asking = false, again = false;

function tell(text, wrong = false) {
  at("message").textContent = text;
  at("message").classList.toggle("wrong", wrong);
}

async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : {method: "POST", body});
  } catch {
    throw new Error("occlufer does not answer any more. Start `occlufer demo` again, then reload this page.");
  }
  const said = await answer.json().catch(() => ({error: `The answer was ${answer.status}.`}));
  if (said.error) throw new Error(said.error);
  return said;
}

function option(select, values, chosen) {
  select.replaceChildren(...values.map((value) => new Option(value.replaceAll("_", " "), value, false, value === chosen)));
}

function thumbnail(source, label, action) {
  const button = document.createElement("button");
  const image = document.createElement("img");
  button.type = "button";
  button.title = label;
  image.src = source;
  image.alt = label;
  button.append(image);
  button.addEventListener("click", () => action(button));
  return button;
}

function press(strip, button) {
  for (const other of strip.children) other.setAttribute("aria-pressed", other === button);
}

// A picture: its faces are found once.

async function show(file) {
  const number = ++wanted;
  if (file.size > choices.most_bytes) {
    tell(`This file has more than ${choices.most_bytes / 1e6} MB.`, true);
    return;
  }
  tell("Looking for faces ...");
  try {
    const {faces, found} = await ask("faces", file);
    if (number !== wanted) return;
    if (!faces.length) {
      tell("No face was found in this picture.", true);
      return;
    }
    tell("");
    at("people").hidden = faces.length < 2;
    at("count").textContent = found > faces.length ? `${found} faces were found; the ${faces.length} largest:` : `${found} faces were found:`;
    const buttons = faces.map((one, index) =>
      thumbnail(one.picture, `face ${index + 1} of ${faces.length}`, (button) => { press(at("faces"), button); choose(one); }));
    at("faces").replaceChildren(...buttons);
    const sides = faces.map(({box: [x0, y0, x1, y1]}) => Math.max(x1 - x0, y1 - y0));
    const largest = sides.indexOf(Math.max(...sides));
    press(at("faces"), buttons[largest]);
    choose(faces[largest]);
  } catch (error) {
    if (number === wanted) tell(error.message, true);
  }
}

function choose(one) {
  face = one;
  at("panels").hidden = at("options").hidden = false;
  const note = one.mesh ? "" : "No mesh was found on this face: nothing can be placed on it.";
  for (const panel of panels.slice(1)) {
    panel.hidden = !one.mesh;
  }
  if (note) tell(note);
  refresh();
}

// A face under what was chosen: one question at a time, and after it the latest.

async function refresh() {
  if (!face) return;
  if (asking) { again = true; return; }
  asking = true;
  at("panels").classList.add("waiting");
  do {
    again = false;
    try {
      const asked = face;
      const worn = asked.mesh ? panels.slice(1).map(chosenIn) : [];
      const said = await ask("under", JSON.stringify({face: asked, worn, explain: at("explain").checked}));
      if (asked === face) said.panels.forEach((one, index) => fill(panels[index], one, said.panels[0]));
    } catch (error) {
      tell(error.message, true);
    }
  } while (again);
  asking = false;
  at("panels").classList.remove("waiting");
}

function chosenIn(panel) {
  return {
    occluder: panel.querySelector(".occluder").value,
    colour: panel.querySelector(".colour").value,
    severity: panel.querySelector(".severity").valueAsNumber / 100,
  };
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}

function fill(panel, said, bare) {
  const name = panel.querySelector("h2").textContent;
  panel.querySelector(".picture").src = said.picture;
  panel.querySelector(".picture").alt = `The face, ${name}`;
  panel.querySelector(".seen").src = said.seen;
  panel.querySelector(".seen").alt = "The network's input";
  panel.querySelector(".why").hidden = !said.heat;
  if (said.heat) {
    panel.querySelector(".heat").src = said.heat;
    panel.querySelector(".heat").alt = `What speaks for ${said.expression}, bright where it is most`;
  }
  panel.querySelector(".answer strong").textContent = said.expression;
  panel.querySelector(".answer span").textContent = percent(said.probabilities[said.expression]);
  const share = said.covered_share;
  panel.querySelector(".covered").textContent = said === bare ? "nothing covered" : `${percent(share)} of the face covered`;
  panel.querySelector(".bars").replaceChildren(...choices.classes.map((expression) =>
    bar(expression, said.probabilities[expression], said === bare ? null : bare.probabilities[expression], expression === said.expression)));
}

function bar(name, value, bare, best) {
  const row = document.createElement("div");
  row.className = best ? "bar best" : "bar";
  row.dataset.expression = name;
  row.dataset.probability = value;
  const label = document.createElement("span"), number = document.createElement("span");
  label.textContent = name;
  number.textContent = percent(value);
  number.className = "value";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 100 10");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(part("rect", {class: "track", width: 100, height: 10}), part("rect", {class: "fill", width: 100 * value, height: 10}));
  if (bare !== null) {
    const x = Math.min(Math.max(100 * bare, 0.5), 99.5);
    svg.append(part("line", {class: "bare", x1: x, x2: x, y1: 0, y2: 10, "vector-effect": "non-scaling-stroke"}));
    row.title = `${name}: ${percent(value)}, bare ${percent(bare)}`;
  }
  row.append(label, svg, number);
  return row;
}

function part(kind, attributes) {
  const made = document.createElementNS(SVG, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

// What can be chosen.

const panels = [];

function addPanel(start) {
  const panel = at("panel").content.firstElementChild.cloneNode(true);
  const title = panel.querySelector("h2"), choice = panel.querySelector(".choice");
  if (start === null) {
    title.textContent = "Bare";
    const note = document.createElement("p");
    note.className = "note";
    note.textContent = "The lines in the other bars mark what the network says of the bare face.";
    choice.replaceChildren(note);
  } else {
    const [kind, colour, severity] = [".occluder", ".colour", ".severity"].map((name) => panel.querySelector(name));
    const names = choices.occluders.map(({name}) => name);
    option(kind, names, start);
    const shown = () => { panel.querySelector("output").textContent = `${severity.value} %`; };
    const changed = () => {
      const one = choices.occluders.find(({name}) => name === kind.value);
      title.textContent = `Under ${kind.value.replaceAll("_", " ")}`;
      option(colour, one.colours);
      colour.parentElement.hidden = !one.colours.length;
      severity.value = Math.round(100 * one.severity);
      shown();
    };
    changed();
    kind.addEventListener("change", () => { changed(); refresh(); });
    colour.addEventListener("change", refresh);
    severity.addEventListener("input", () => { shown(); refresh(); });
  }
  panels.push(panel);
  at("panels").append(panel);
}

// The camera: its picture takes the way of a file.

function closeCamera() {
  const stream = at("video").srcObject;
  if (stream) stream.getTracks().forEach((track) => track.stop());
  at("video").srcObject = null;
  at("live").hidden = true;
}

async function openCamera() {
  try {
    at("video").srcObject = await navigator.mediaDevices.getUserMedia({video: {facingMode: "user"}, audio: false});
    at("live").hidden = false;
    tell("");
  } catch (error) {
    tell(`The camera cannot be used: ${error.message}.`, true);
  }
}

function shoot() {
  const video = at("video"), canvas = document.createElement("canvas");
  if (!video.videoWidth) return;
  canvas.width = video.videoWidth;
  canvas.height = video.videoHeight;
  canvas.getContext("2d").drawImage(video, 0, 0);
  closeCamera();
  canvas.toBlob((picture) => show(picture), "image/jpeg", 0.95);
}

async function begin() {
  try {
    choices = await ask("choices");
  } catch (error) {
    tell(error.message, true);
    return;
  }
  at("network").textContent = `Network: ${choices.network}.`;
  const first = choices.occluders[0].name;
  for (const name of [null, ...STARTS]) {
    addPanel(name === null || choices.occluders.some((one) => one.name === name) ? name : first);
  }
  at("explain").addEventListener("change", refresh);
  at("samples").replaceChildren(...choices.samples.map((name, index) =>
    thumbnail(`sample/${index}`, `a drawn face: ${name}`, async () => show(await (await fetch(`sample/${index}`)).blob()))));
  at("file").addEventListener("change", (event) => {
    if (event.target.files.length) show(event.target.files[0]);
    event.target.value = "";
  });
  const drop = at("drop");
  addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    const [file] = event.dataTransfer.files;
    if (file) show(file);
    else tell("Drop a file: what was dropped is none.", true);
  });
  at("camera").addEventListener("click", openCamera);
  at("shoot").addEventListener("click", shoot);
  at("stop").addEventListener("click", closeCamera);
}

begin();
