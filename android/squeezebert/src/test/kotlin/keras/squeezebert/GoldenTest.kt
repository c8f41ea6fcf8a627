package keras.squeezebert

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.ValueSource

/** The tokenizer gives what Hugging Face's Rust library gives. */
class GoldenTest {
    @Test
    fun `every case of the golden file`() {
        assertTrue(cases.size > 5000)
        for (case in cases) {
            assertEquals(
                expectation(case),
                answer(tokenizers[case.int("tokenizer")], case),
            ) { "$case" }
        }
    }

    @ParameterizedTest
    @ValueSource(chars = ['\ud800', '\udc00'])
    fun `a lone surrogate counts as the replacement character`(surrogate: Char) {
        val withSome = cases.filter { '\ufffd' in it.text("text")!! }
        assertTrue(withSome.size > 100)
        for (case in withSome) {
            val received =
                answer(tokenizers[case.int("tokenizer")], case) { it.replace('\ufffd', surrogate) }
            assertEquals(expectation(case), received) { "$case" }
        }
    }

    @Test
    fun `offsets cut out of the text what a token stands for`() {
        val text = "\ud83d\ude00 Élan\ud83d\udc69\u200d\ud83d\udcbb [MASK]!"
        val offsets = tokenizers[0].encode(text).offsets
        val cut =
            (0 until offsets.size / 2).map {
                text.substring(
                    offsets[2 * it],
                    offsets[
                        2 * it +
                            1,
                    ],
                )
            }
        assertEquals(
            listOf("\ud83d\ude00", "Élan\ud83d\udc69\u200d\ud83d\udcbb", "[MASK]", "!"),
            cut.drop(1).dropLast(1),
        )
    }

    private companion object {
        val lines = goldenFile("golden.jsonl.gz").readLines().map(::parse)
        val cases = lines.drop(1)
        val tokenizers = tokenizersOf(lines.first())
    }
}
