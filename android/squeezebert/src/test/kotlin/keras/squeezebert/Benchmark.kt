package keras.squeezebert

import java.io.File

private const val ROUNDS = 7

/**
 * How many sentences a second the tokenizer takes on one thread, the best of several rounds.
 * Arguments: SST-2's train.tsv, or another table whose first column is text.
 */
fun main(arguments: Array<String>) {
    val sentences =
        File(arguments.single()).useLines { lines ->
            lines
                .drop(1)
                .take(20_000)
                .map { it.substringBefore('\t') }
                .toList()
        }
    val tokenizer = SqueezeBertTokenizer(uncased)
    val seconds = best { sentences.forEach { tokenizer.encode(it) } }
    val tokens = sentences.sumOf { tokenizer.encode(it).size }
    val paste = sentences.joinToString(" ").take(1_000_000)
    println(
        "%.0f sentences/s, %.0f tokens/s; a tokenizer is made in %.0f ms; %d characters take %.0f ms, a tenth of them %.1f ms"
            .format(
                sentences.size / seconds,
                tokens / seconds,
                1000 * best { SqueezeBertTokenizer(uncased) },
                paste.length,
                1000 * best { tokenizer.encode(paste) },
                1000 * best { tokenizer.encode(paste.take(paste.length / 10)) },
            ),
    )
}

/** Seconds that the fastest of the rounds takes. */
private fun best(task: () -> Unit): Double =
    (1..ROUNDS).minOf {
        val start = System.nanoTime()
        task()
        (System.nanoTime() - start) / 1e9
    }
