package keras.squeezebert

/** A growing list of word pieces: their ids, and where in the text they start and end. */
internal class Pieces(
    capacity: Int = 32,
) {
    var size = 0
        private set
    var ids = IntArray(capacity)
        private set
    var starts = IntArray(capacity)
        private set
    var ends = IntArray(capacity)
        private set

    fun add(
        id: Int,
        start: Int,
        end: Int,
    ) {
        if (size == ids.size) {
            val capacity = 2 * size
            ids = ids.copyOf(capacity)
            starts = starts.copyOf(capacity)
            ends = ends.copyOf(capacity)
        }
        ids[size] = id
        starts[size] = start
        ends[size] = end
        size += 1
    }

    /** Forgets all but the first ones. */
    fun truncate(size: Int) {
        this.size = size
    }

    /** A copy of some of them. */
    fun slice(
        from: Int,
        count: Int,
    ): Pieces {
        val part = Pieces(maxOf(count, 1))
        for (i in from until from + count) part.add(ids[i], starts[i], ends[i])
        return part
    }
}
