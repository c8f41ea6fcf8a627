package keras.squeezebert

/** What marks a piece that continues a word. */
private const val PREFIX = "##"

/** Longer words, in code points, are unknown. */
private const val LONGEST_WORD = 100
private const val ROOT = 0
private const val NONE = -1

// Odd numbers whose bits are mixed, as those of multiplicative hashing are.
private const val PARENT_FACTOR = -0x61c88647
private const val FACTOR = -0x7a143595

/**
 * Words to word pieces: always the longest piece that fits.
 *
 * It is a trie of all pieces, as one hash table of its edges. A node is the slot of the edge that
 * leads to it; the root is slot 0.
 *
 * @param vocabulary The pieces in the order of their ids.
 * @param unknown The id of a word that the pieces cannot spell.
 */
internal class WordPieces(
    vocabulary: List<String>,
    private val unknown: Int,
) {
    private val parents: IntArray
    private val codes: IntArray
    private val ids: IntArray
    private val mask: Int
    private val continuing: Int

    init {
        // No more nodes than characters; few of the slots are taken, as pieces share them.
        val characters = vocabulary.sumOf { it.length } + PREFIX.length + 2
        val size = Integer.highestOneBit(characters) * 2
        mask = size - 1
        parents = IntArray(size) { NONE }
        codes = IntArray(size)
        ids = IntArray(size) { NONE }
        parents[ROOT] = ROOT
        continuing = node(PREFIX)
        vocabulary.forEachIndexed { id, piece -> ids[node(piece)] = id }
    }

    /** Appends the pieces of a word. */
    fun append(
        word: Words,
        pieces: Pieces,
    ) {
        val length = word.length
        val before = pieces.size
        var start = if (length > LONGEST_WORD) NONE else 0
        while (start in 0 until length) {
            var id = NONE
            var end = NONE
            var node = if (start == 0) ROOT else continuing
            for (i in start until length) {
                node = child(node, word.codes[i])
                if (node == NONE) break
                if (ids[node] != NONE) {
                    id = ids[node]
                    end = i + 1
                }
            }
            if (id != NONE) pieces.add(id, word.starts[start], word.ends[end - 1])
            start = end
        }
        if (start == NONE) {
            pieces.truncate(before)
            pieces.add(unknown, word.starts[0], word.ends[length - 1])
        }
    }

    /** The node after another, or NONE. */
    private fun child(
        parent: Int,
        code: Int,
    ): Int {
        val slot = slot(parent, code)
        return if (parents[slot] == NONE) NONE else slot
    }

    /** The slot of an edge, or the free one that it would take. */
    private fun slot(
        parent: Int,
        code: Int,
    ): Int {
        var slot = (((parent * PARENT_FACTOR) xor code) * FACTOR ushr 8) and mask
        while (slot == ROOT || isOfAnother(slot, parent, code)) slot = (slot + 1) and mask
        return slot
    }

    private fun isOfAnother(
        slot: Int,
        parent: Int,
        code: Int,
    ) = parents[slot] != NONE && (parents[slot] != parent || codes[slot] != code)

    /** The node of a piece, which is made if it is new. */
    private fun node(piece: String): Int {
        var node = ROOT
        var at = 0
        while (at < piece.length) {
            val code = piece.codePointAt(at)
            val slot = slot(node, code)
            parents[slot] = node
            codes[slot] = code
            node = slot
            at += Character.charCount(code)
        }
        return node
    }
}
