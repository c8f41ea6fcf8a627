package keras.squeezebert

import kotlinx.serialization.json.JsonObject

/**
 * Compares the tokenizer with the expectations in a file of cases on standard input, whose form is
 * that of tests/portable/README.md. Prints those that differ, and at the end how many there were.
 */
fun main() {
    var tokenizers: List<SqueezeBertTokenizer>? = null
    var count = 0
    var different = 0
    for (line in generateSequence(::readLine)) {
        val case: JsonObject = parse(line)
        if (tokenizers == null) {
            tokenizers = tokenizersOf(case)
            continue
        }
        count += 1
        val received = answer(tokenizers[case.int("tokenizer")], case)
        if (received == expectation(case)) continue
        different += 1
        println("$case received $received")
    }
    println("$different of $count cases differ")
}
