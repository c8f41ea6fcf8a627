package keras.squeezebert

/** The lowest bit of a canonical combining class; a code point is in the bits below. */
internal const val CLASS_SHIFT = 21
internal const val CODE_MASK = (1 shl CLASS_SHIFT) - 1

/** Marks what is a word by itself. */
internal const val ALONE = 1 shl 29

/** The value of what parts words. */
internal const val SPACE = 0x20

/**
 * What all steps of normalising together make of each code point.
 *
 * @property values For each code point its value: a code point, its combining class, and perhaps
 *   [ALONE]. Of those that become none or several it is `i.inv()`, where `sequences[i]` are their
 *   values. The code point 0 is a mark to be left out when all are in order.
 */
internal class Lookup(
    val values: IntArray,
    val sequences: List<IntArray>,
)

/**
 * The contents of `code_points.txt`: what BERT's normaliser and pre-tokeniser make of each code
 * point.
 *
 * A phone has a Unicode of its own, so it is read from that file, which tells what the library
 * behind `SqueezeBertTokenizerFast` does, and its own format.
 */
internal class CodePoints(
    text: String,
) {
    private val sections: Map<String, List<Run>> = readSections(text)

    fun lookup(options: TokenizerOptions): Lookup {
        val values = IntArray(0x110000) { it }
        val sequences = mutableListOf(IntArray(0))

        val strip = if (options.stripAccents) changes("strip_accents") else emptyMap()
        val lower = if (options.doLowerCase) changes("lower_case") else emptyMap()
        val punctuation = changes("punctuation").keys
        for (code in strip.keys + lower.keys + punctuation) {
            val parts =
                (strip[code] ?: listOf(code))
                    .flatMap { lower[it] ?: listOf(it) }
                    .map { if (it in punctuation) it or ALONE else it }
            values[code] = parts.singleOrNull() ?: sequences.size.inv()
            if (parts.size != 1) sequences.add(parts.toIntArray())
        }
        if (options.tokenizeChineseChars) {
            visit("ideograph") { code, _ -> values[code] = values[code] or ALONE }
        }
        visit("space") { code, _ -> values[code] = SPACE }
        visit("drop") { code, _ -> values[code] = 0.inv() }
        return Lookup(values, sequences)
    }

    /** The values that a step makes of the code points that it changes. */
    private fun changes(name: String): Map<Int, List<Int>> =
        buildMap { visit(name) { code, parts -> put(code, parts) } }

    /** Calls a function with each code point of a section, and what becomes of it. */
    private fun visit(
        name: String,
        function: (Int, List<Int>) -> Unit,
    ) {
        for (run in sections.getValue(name)) {
            for ((i, code) in (run.first..run.last step run.step).withIndex()) {
                function(code, run.parts.map { it.value + i * it.rise })
            }
        }
    }

    companion object {
        private const val FILE = "/keras/squeezebert/code_points.txt"

        /** The table of this library. */
        val default by lazy {
            val stream = CodePoints::class.java.getResourceAsStream(FILE)
            checkNotNull(stream) { "The resource $FILE is missing." }
            CodePoints(stream.use { it.readBytes() }.toString(Charsets.US_ASCII))
        }
    }
}

/** A line: code points that become values which rise equally. */
private class Run(
    val first: Int,
    val last: Int,
    val step: Int,
    val parts: List<Part>,
)

private class Part(
    val value: Int,
    val rise: Int,
)

private val SECTIONS =
    listOf("drop", "space", "ideograph", "strip_accents", "lower_case", "punctuation")
private val LINE = Regex("([0-9A-F]+)(?:\\.\\.([0-9A-F]+))?(?:/([0-9A-F]+))?((?: [0-9A-F+:]+)*)")
private val PART = Regex("([0-9A-F]+)(?:\\+([0-9A-F]+))?(?::([0-9A-F]+))?")

private fun readSections(text: String): Map<String, List<Run>> {
    val sections = mutableMapOf<String, MutableList<Run>>()
    var section: MutableList<Run>? = null
    for (line in text.split("\n")) {
        if (line.startsWith("[")) {
            section = sections.getOrPut(line.removeSurrounding("[", "]")) { mutableListOf() }
        } else if (line.isNotEmpty() && !line.startsWith("#")) {
            val match = LINE.matchEntire(line)
            if (section == null || match == null) throw another(line)
            section.add(readRun(match))
        }
    }
    SECTIONS.firstOrNull { it !in sections }?.let { throw another("no section [$it]") }
    return sections
}

private fun readRun(line: MatchResult): Run {
    val (first, last, step, parts) = line.destructured
    return Run(
        first = hex(first),
        last = if (last.isEmpty()) hex(first) else hex(last),
        step = if (step.isEmpty()) 1 else hex(step),
        parts =
            PART
                .findAll(parts)
                .map {
                    val (code, rise, combining) = it.destructured
                    Part(hex(code) or (hex(combining) shl CLASS_SHIFT), hex(rise))
                }.toList(),
    )
}

/** The number that digits tell; 0 if there are none. */
private fun hex(digits: String) = if (digits.isEmpty()) 0 else digits.toInt(16)

private fun another(received: String) =
    InputError(
        "The table of code points must be the contents of code_points.txt, which " +
            "keras_squeezebert/tokenizers/ holds. Received: ${received.take(60)}",
    )
