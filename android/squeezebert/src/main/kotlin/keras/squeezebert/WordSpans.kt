package keras.squeezebert

/** Where something starts and ends in a text, in UTF-16 code units. */
data class Span(
    val start: Int,
    val end: Int,
)

/**
 * Where the words of a text start and end, with punctuation apart, as Python's
 * `keras_squeezebert.tasks.word_spans` has them: between spaces, what is from the first to the last
 * letter or digit is one word, and each other character is one.
 *
 * It goes by the Unicode of the platform, in which characters that are newer than it are
 * punctuation.
 */
fun wordSpans(text: String): List<Span> {
    val spans = mutableListOf<Span>()
    var start = 0
    while (start < text.length) {
        var end = start
        var first = -1
        var last = -1 // where the last letter or digit ends
        while (end < text.length) {
            val code = text.codePointAt(end)
            if (isSpace(code)) break
            if (isWord(code)) {
                if (first < 0) first = end
                last = end + Character.charCount(code)
            }
            end += Character.charCount(code)
        }
        if (first < 0) {
            addCharacters(text, start, end, spans)
        } else {
            addCharacters(text, start, first, spans)
            spans += Span(first, last)
            addCharacters(text, last, end, spans)
        }
        start = end + 1 // no space is above U+FFFF
    }
    return spans
}

private fun addCharacters(
    text: String,
    start: Int,
    end: Int,
    spans: MutableList<Span>,
) {
    var at = start
    while (at < end) {
        val next = at + Character.charCount(text.codePointAt(at))
        spans += Span(at, next)
        at = next
    }
}

/** Whether Python's `\s` matches a code point. */
internal fun isSpace(code: Int): Boolean =
    code in 0x09..0x0d || code in 0x1c..0x20 || code == 0x85 || Character.isSpaceChar(code)

/** Whether Python's `\w` does. */
internal fun isWord(code: Int): Boolean =
    when (Character.getType(code).toByte()) {
        Character.UPPERCASE_LETTER,
        Character.LOWERCASE_LETTER,
        Character.TITLECASE_LETTER,
        Character.MODIFIER_LETTER,
        Character.OTHER_LETTER,
        Character.DECIMAL_DIGIT_NUMBER,
        Character.LETTER_NUMBER,
        Character.OTHER_NUMBER,
        -> true

        else -> code == '_'.code
    }
