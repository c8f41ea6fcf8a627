/** The page: what is typed goes to the classifier, and what it says is shown. */

import { AnswerView } from "./answer_view.js";
import { latest } from "./latest.js";
import { keepOffline } from "./offline_page.js";
import { RemoteClassifier } from "./remote_classifier.js";

const element = (id) => document.getElementById(id);
const text = element("text");
const textPair = element("text-pair");
const second = element("second");
const pairButton = element("pair");
const fileInput = element("file");
const facts = element("facts");
const cost = element("cost");
const cut = element("cut");
const problem = element("problem");
const section = element("answer");
const view = new AnswerView({
  section,
  list: element("scores"),
  more: element("all"),
  spoken: element("spoken"),
});
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
/** Characters of a text that tell where it was cut. */
const EXCERPT = 28;

let classifier = null;

// === Texts

const classify = latest(async () => {
  const texts = [text.value, second.hidden ? null : textPair.value];
  const isEmpty = texts.every((one) => !one?.trim());
  section.ariaBusy = "true";
  try {
    showAnswer(
      texts,
      classifier && !isEmpty ? await classifier.classify(...texts) : null,
    );
  } catch (error) {
    showProblem(error);
  }
  section.ariaBusy = "false";
});

function showAnswer(texts, classification) {
  element("hint").hidden = classification !== null;
  cut.hidden = !classification?.ends;
  if (classification === null) {
    cost.textContent = "";
    view.show(null);
    return;
  }
  const { answer, tokens, ends, milliseconds } = classification;
  const time = `${number.format(milliseconds)} ms`;
  cost.textContent = `${tokens} of ${classifier.length} tokens · ${time}`;
  if (ends) {
    const places = ends.map((end, i) => excerpt(texts[i].slice(0, end)));
    cut.textContent =
      `This is more than the ${classifier.length} tokens that the model reads. ` +
      `It stopped after ${places.join(" and ")}`;
    // Browsers leave out what is pasted beyond it, as they would freeze to show more.
    if ([text, textPair].some((input) => input.value.length >= input.maxLength)) {
      cut.textContent += `. The box holds ${number.format(text.maxLength)} characters`;
    }
  }
  view.show(answer, ends ? ". The end of the text was not read" : "");
}

/** The last words of a text, in quotes. */
function excerpt(text) {
  if (text.length <= EXCERPT) return `“${text}”`;
  // Whole words, if they are not longer than that.
  return `“…${text.slice(-EXCERPT).replace(/^\S*\s+(?=\S)/, "")}”`;
}

function showProblem(error) {
  problem.textContent = error.message;
  problem.hidden = false;
}

function answerAnew() {
  problem.hidden = true;
  classify();
}

function toggleSecond() {
  second.hidden = !second.hidden;
  pairButton.textContent = second.hidden
    ? "Add a second text"
    : "Remove the second text";
  pairButton.setAttribute("aria-expanded", !second.hidden);
  (second.hidden ? text : textPair).focus();
  answerAnew();
}

// === Models

/** Opens a .tflite; the model before stays if it is none that can run. */
const openModel = latest(async (file) => {
  problem.hidden = true;
  facts.textContent = "Loading the model…";
  const former = classifier;
  try {
    classifier = await RemoteClassifier.open(file);
  } catch (error) {
    showProblem(error);
  }
  showFacts();
  await classify();
  if (classifier !== former) former?.close();
});

function showFacts() {
  if (!classifier) {
    facts.textContent = "No model";
    return;
  }
  const { name, bytes, labels, length } = classifier;
  const outputs = labels.length === 1 ? "1 output" : `${labels.length} labels`;
  const size = `${number.format(bytes / 1e6)} MB`;
  const all = [name, size, outputs, `${length} tokens`];
  facts.textContent = all.map((fact) => fact.replaceAll(" ", "\xa0")).join(" · ");
}

/** The model that the server was started with. */
async function servedModel() {
  const response = await fetch("model.tflite");
  if (!response.ok) throw new Error(`The server has no model: ${response.status}`);
  const disposition = response.headers.get("Content-Disposition");
  const [, name] = /filename\*?=(?:utf-8''|")([^"]*)/.exec(disposition);
  return new File([await response.blob()], decodeURIComponent(name));
}

// === What the user does

for (const input of [text, textPair]) input.addEventListener("input", answerAnew);
pairButton.addEventListener("click", toggleSecond);
element("open").addEventListener("click", () => fileInput.click());
fileInput.addEventListener("change", () => {
  if (fileInput.files.length > 0) openModel(fileInput.files[0]);
  fileInput.value = ""; // so that the same file can be chosen again
});

for (const [event, isOver] of [
  ["dragover", true],
  ["dragleave", false],
  ["drop", false],
]) {
  document.addEventListener(event, (drag) => {
    if (!drag.dataTransfer.types.includes("Files")) return;
    drag.preventDefault();
    document.body.classList.toggle("dropping", isOver);
    if (event === "drop") openModel(drag.dataTransfer.files[0]);
  });
}

await openModel(servedModel());
if (classifier) element("offline").hidden = !(await keepOffline(classifier.sources));
