/** AnswerView: an answer as a list of labels, each with its score and a bar. */

/** Labels shown unless all are asked for. */
const FEW = 6;
/** Of any number of labels those from here on are the answer's. */
const THRESHOLD = 0.5;
/** Screen readers are told when the typing has paused for so long. */
const PAUSE_MS = 1000;

const percent = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const number = new Intl.NumberFormat("en", { maximumFractionDigits: 4 });

export class AnswerView {
  #section;
  #list;
  #more;
  #spoken;
  #showsAll = false;
  #answer = null;
  #timer;

  /**
   * @param {object} elements
   * @param {HTMLElement} elements.section What is hidden while there is no answer.
   * @param {HTMLOListElement} elements.list For the labels.
   * @param {HTMLButtonElement} elements.more Shows all labels.
   * @param {HTMLElement} elements.spoken A live region for the answer in words.
   */
  constructor({ section, list, more, spoken }) {
    this.#section = section;
    this.#list = list;
    this.#more = more;
    this.#spoken = spoken;
    more.addEventListener("click", () => {
      this.#showsAll = !this.#showsAll;
      this.#showList();
    });
  }

  /**
   * @param {import("./scores.js").Answer | null} answer
   * @param {string} [remark] What to say after it.
   */
  show(answer, remark = "") {
    this.#answer = answer;
    this.#section.hidden = answer === null;
    if (answer) this.#showList();
    const words = answer ? `${inWords(answer)}${remark}` : "";
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => (this.#spoken.textContent = words), PAUSE_MS);
  }

  #showList() {
    const { kind, scores } = this.#answer;
    const shown = this.#showsAll ? scores : scores.slice(0, FEW);
    while (this.#list.children.length > shown.length) this.#list.lastChild.remove();
    while (this.#list.children.length < shown.length) this.#list.append(newRow());
    shown.forEach(({ label, score }, rank) => {
      const row = this.#list.children[rank];
      const [name, value, bar] = row.children;
      name.textContent = label;
      value.textContent =
        kind === "value" ? number.format(score) : percent.format(score);
      bar.hidden = kind === "value";
      bar.style.setProperty("--score", score);
      row.classList.toggle("chosen", isChosen(kind, score, rank));
    });
    this.#more.hidden = scores.length <= FEW;
    this.#more.textContent = this.#showsAll
      ? "Show fewer labels"
      : `Show all ${scores.length} labels`;
    this.#more.setAttribute("aria-expanded", this.#showsAll);
  }
}

function newRow() {
  const row = document.createElement("li");
  for (const part of ["name", "score", "bar"]) {
    row.append(Object.assign(document.createElement("span"), { className: part }));
  }
  row.firstChild.dir = "auto";
  return row;
}

function isChosen(kind, score, rank) {
  return kind === "labels" ? score >= THRESHOLD : rank === 0;
}

function inWords({ kind, scores }) {
  if (kind === "value") return number.format(scores[0].score);
  const chosen = scores.filter(({ score }, rank) => isChosen(kind, score, rank));
  if (chosen.length === 0) return "None of the labels";
  return chosen
    .map(({ label, score }) => `${label}, ${percent.format(score)}`)
    .join("; ");
}
