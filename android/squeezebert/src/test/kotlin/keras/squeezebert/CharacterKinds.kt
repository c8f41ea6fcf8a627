package keras.squeezebert

/**
 * Prints for each code point whether it is a space `s` or of a word `w` or neither `.`, and `?` if
 * it is not assigned in the Unicode of this platform.
 */
fun main() {
    val kinds =
        (0..Character.MAX_CODE_POINT).map {
            when {
                !Character.isDefined(it) -> '?'
                isSpace(it) -> 's'
                isWord(it) -> 'w'
                else -> '.'
            }
        }
    println(kinds.joinToString(""))
}
