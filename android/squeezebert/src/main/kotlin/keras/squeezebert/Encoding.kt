package keras.squeezebert

/**
 * A row of tokens, as a model takes it.
 *
 * @property inputIds Ids of the tokens.
 * @property attentionMask 1 for tokens, 0 for what fills the row.
 * @property tokenTypeIds 0 for the first text, 1 for the second.
 * @property offsets Of token i the start, at 2i, and the end, at 2i + 1, in its text, so that
 *   `text.substring(start, end)` is what it stands for. Special tokens that were added have 0 and 0.
 *   They count UTF-16 code units, as Kotlin does, of which a character above U+FFFF has two; in
 *   Python it is one.
 */
class Encoding(
    val inputIds: IntArray,
    val attentionMask: IntArray,
    val tokenTypeIds: IntArray,
    val offsets: IntArray,
) {
    /** How many tokens the row has room for. */
    val size: Int
        get() = inputIds.size
}
