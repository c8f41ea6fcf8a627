package keras.squeezebert

import kotlin.math.exp

/** Probabilities of logits, or of a stretch of them. */
internal fun softmax(
    logits: FloatArray,
    from: Int = 0,
    count: Int = logits.size,
): FloatArray {
    var highest = Float.NEGATIVE_INFINITY
    for (i in from until from + count) highest = maxOf(highest, logits[i])
    val powers = DoubleArray(count) { exp((logits[from + it] - highest).toDouble()) }
    val sum = powers.sum()
    return FloatArray(count) { (powers[it] / sum).toFloat() }
}

/** Where the greatest values are, the greatest first; of equal ones the first. */
internal fun greatest(
    values: FloatArray,
    count: Int,
): List<Int> {
    val best = ArrayList<Int>(count + 1)
    for (i in values.indices) {
        if (best.size == count && values[i] <= values[best.last()]) continue
        var place = best.size
        while (place > 0 && values[i] > values[best[place - 1]]) place -= 1
        best.add(place, i)
        if (best.size > count) best.removeAt(count)
    }
    return best
}
