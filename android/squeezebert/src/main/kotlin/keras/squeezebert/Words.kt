package keras.squeezebert

/**
 * Splits texts into normalised words, which remember where in the text they come from.
 *
 * It is the word that it calls `visit` with: the arrays are written over by the next one.
 */
internal class Words(
    private val lookup: Lookup,
    private val visit: (Words) -> Unit,
) {
    /** Number of code points of the word. */
    var length = 0
        private set

    /** The code points; then where in the text the source of each starts and ends. */
    var codes = IntArray(INITIAL_SIZE)
        private set
    var starts = IntArray(INITIAL_SIZE)
        private set
    var ends = IntArray(INITIAL_SIZE)
        private set

    private var lastClass = 0
    private var hasMarks = false
    private var isUnsorted = false

    /** Visits the words of a stretch of a text. */
    fun split(
        text: String,
        start: Int,
        end: Int,
    ) {
        var at = start
        while (at < end) {
            // A lone surrogate is a code point here, which is dropped as U+FFFD is.
            val code = text.codePointAt(at)
            val next = at + Character.charCount(code)
            val value = lookup.values[code]
            if (value >= 0) {
                add(value, at, next)
            } else {
                for (part in lookup.sequences[value.inv()]) add(part, at, next)
            }
            at = next
        }
        finish()
    }

    private fun add(
        value: Int,
        start: Int,
        end: Int,
    ) {
        if (value == SPACE) {
            finish()
        } else if (value and ALONE != 0) {
            finish()
            append(value xor ALONE, start, end)
            finish()
        } else {
            val combining = value shr CLASS_SHIFT
            if (combining > 0 || value == 0) {
                hasMarks = true
                if (combining in 1 until lastClass) isUnsorted = true
            }
            lastClass = combining
            append(value, start, end)
        }
    }

    private fun append(
        value: Int,
        start: Int,
        end: Int,
    ) {
        if (length == codes.size) {
            codes = codes.copyOf(2 * length)
            starts = starts.copyOf(2 * length)
            ends = ends.copyOf(2 * length)
        }
        codes[length] = value
        starts[length] = start
        ends[length] = end
        length += 1
    }

    private fun finish() {
        if (isUnsorted) sort()
        if (hasMarks) removeMarks()
        if (length > 0) visit(this)
        length = 0
        lastClass = 0
        hasMarks = false
        isUnsorted = false
    }

    /** Sorts each run of marks by combining class, as canonical decomposition does. */
    private fun sort() {
        val values = codes.copyOf(length)
        val oldStarts = starts.copyOf(length)
        val oldEnds = ends.copyOf(length)
        val runs = IntArray(length)
        for (i in 0 until length) {
            runs[i] =
                (if (i == 0) 0 else runs[i - 1]) + (if (values[i] shr CLASS_SHIFT == 0) 1 else 0)
        }
        val order =
            (0 until length).sortedWith(compareBy({ runs[it] }, { values[it] shr CLASS_SHIFT }))
        // As in the Rust library, the sources stay in order: the first value of each takes the
        // next one, whichever it came from, and further values repeat it.
        val isFirst = BooleanArray(length) { it == 0 || oldStarts[it] != oldStarts[it - 1] }
        val sources = (0 until length).filter { isFirst[it] }
        var rank = -1
        for ((to, from) in order.withIndex()) {
            if (isFirst[from]) rank += 1
            codes[to] = values[from]
            starts[to] = oldStarts[sources[rank]]
            ends[to] = oldEnds[sources[rank]]
        }
    }

    /** Leaves out the marks that were kept for their order, and all classes. */
    private fun removeMarks() {
        var kept = 0
        for (i in 0 until length) {
            val code = codes[i] and CODE_MASK
            if (code == 0) continue
            codes[kept] = code
            starts[kept] = starts[i]
            ends[kept] = ends[i]
            kept += 1
        }
        length = kept
    }

    private companion object {
        const val INITIAL_SIZE = 128
    }
}
