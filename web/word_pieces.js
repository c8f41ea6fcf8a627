/** Words to word pieces: always the longest piece that fits. */

/** What marks a piece that continues a word. */
const PREFIX = "##";
/** Longer words, in code points, are unknown. */
export const LONGEST_WORD = 100;
const ROOT = 0;
const NONE = -1;

/** A trie of all pieces, as one hash table of its edges. */
export class WordPieces {
  // A node is the slot of the edge that leads to it; the root is slot 0.
  #parents;
  #codes;
  #ids;
  #mask;
  #continuing;
  #unknown;

  /**
   * @param {string[]} vocabulary The pieces in the order of their ids.
   * @param {number} unknown The id of a word that the pieces cannot spell.
   */
  constructor(vocabulary, unknown) {
    // No more nodes than characters; few of the slots are taken, as pieces share them.
    const characters = vocabulary.reduce((sum, { length }) => sum + length, 0);
    const size = 2 ** Math.ceil(Math.log2(characters + PREFIX.length + 2));
    this.#mask = size - 1;
    this.#parents = new Int32Array(size).fill(NONE);
    this.#codes = new Int32Array(size);
    this.#ids = new Int32Array(size).fill(NONE);
    this.#parents[ROOT] = ROOT;
    this.#continuing = this.#node(PREFIX);
    this.#unknown = unknown;
    vocabulary.forEach((piece, id) => {
      this.#ids[this.#node(piece)] = id;
    });
  }

  /**
   * Appends the pieces of a word.
   *
   * @param {import("./words.js").Words} word
   * @param {{ids: number[], starts: number[], ends: number[]}} pieces Their ids, and
   *     where in the text they start and end.
   */
  append(word, pieces) {
    const { codes, starts, ends, length } = word;
    const before = pieces.ids.length;
    let start = length > LONGEST_WORD ? NONE : 0;
    while (0 <= start && start < length) {
      let id = NONE;
      let end = NONE;
      let node = start === 0 ? ROOT : this.#continuing;
      for (let i = start; i < length; i++) {
        node = this.#child(node, codes[i]);
        if (node === NONE) break;
        if (this.#ids[node] !== NONE) {
          id = this.#ids[node];
          end = i + 1;
        }
      }
      if (id !== NONE) add(pieces, id, starts[start], ends[end - 1]);
      start = end;
    }
    if (start === NONE) {
      for (const list of Object.values(pieces)) list.length = before;
      add(pieces, this.#unknown, starts[0], ends[length - 1]);
    }
  }

  /** The node after another, or NONE. */
  #child(parent, code) {
    const slot = this.#slot(parent, code);
    return this.#parents[slot] === NONE ? NONE : slot;
  }

  /** The slot of an edge, or the free one that it would take. */
  #slot(parent, code) {
    let slot = Math.imul(Math.imul(parent, 0x9e3779b1) ^ code, 0x85ebca6b) >>> 8;
    for (slot &= this.#mask; ; slot = (slot + 1) & this.#mask) {
      if (slot === ROOT) continue;
      if (this.#parents[slot] === NONE) return slot;
      if (this.#parents[slot] === parent && this.#codes[slot] === code) return slot;
    }
  }

  /** The node of a piece, which is made if it is new. */
  #node(piece) {
    let node = ROOT;
    for (const character of piece) {
      const code = character.codePointAt(0);
      const slot = this.#slot(node, code);
      this.#parents[slot] = node;
      this.#codes[slot] = code;
      node = slot;
    }
    return node;
  }
}

function add(pieces, id, start, end) {
  pieces.ids.push(id);
  pieces.starts.push(start);
  pieces.ends.push(end);
}
