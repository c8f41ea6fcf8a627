package keras.squeezebert

import java.io.ByteArrayInputStream
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.util.zip.CRC32
import java.util.zip.Inflater
import java.util.zip.InflaterInputStream

/** Far above any vocabulary; below what would hurt if a crafted file asked for it. */
private const val MAX_BYTES = 16 shl 20

private const val END_SIZE = 22
private const val END_SIGNATURE = 0x06054b50
private const val LONGEST_COMMENT = 0xffff
private const val ENTRY_SIZE = 46
private const val ENTRY_SIGNATURE = 0x02014b50
private const val HEADER_SIZE = 30
private const val HEADER_SIGNATURE = 0x04034b50
private const val STORED = 0
private const val DEFLATED = 8

/**
 * The zip archive that a file ends in.
 *
 * `java.util.zip` reads archives from files and streams. A model of an app is neither: it is a
 * stretch of the app's own file, mapped into memory.
 *
 * @throws InputError There is none, or it is damaged.
 */
internal class ZipAtEnd(
    bytes: ByteBuffer,
) {
    private val bytes = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN)
    private val size = bytes.limit()
    private val entries = readDirectory()

    /**
     * The contents of a packed file; null if there is none of that name.
     *
     * @throws InputError It is too large or damaged.
     */
    fun read(name: String): ByteArray? = entries[name]?.let { unpack(name, it) }

    private class Entry(
        val method: Int,
        val checksum: Long,
        val packedSize: Long,
        val size: Long,
        val header: Long,
    )

    /** Where each packed file lies, by its name. */
    private fun readDirectory(): Map<String, Entry> {
        val end = findEnd()
        val start = end - uint32(end + 12)
        // Offsets count from where the archive begins, which may not be the file's start.
        val shift = start - uint32(end + 16)
        val entries = LinkedHashMap<String, Entry>()
        var next = start
        repeat(uint16(end + 10)) {
            val at = record(next, ENTRY_SIZE, ENTRY_SIGNATURE)
            val nameLength = uint16(at + 28)
            record(next, ENTRY_SIZE + nameLength, ENTRY_SIGNATURE)
            val name = String(copy(at + ENTRY_SIZE, nameLength), Charsets.ISO_8859_1)
            entries[name] =
                Entry(
                    method = uint16(at + 10),
                    checksum = uint32(at + 16),
                    packedSize = uint32(at + 20),
                    size = uint32(at + 24),
                    header = shift + uint32(at + 42),
                )
            next += ENTRY_SIZE + nameLength + uint16(at + 30) + uint16(at + 32)
        }
        return entries
    }

    /** The start of the record that ends a zip archive, but for a comment. */
    private fun findEnd(): Int {
        val last = size - END_SIZE
        return (last downTo maxOf(0, last - LONGEST_COMMENT)).firstOrNull {
            bytes.getInt(it) == END_SIGNATURE && it + END_SIZE + uint16(it + 20) == size
        } ?: throw InputError(
            "This .tflite carries no config and no vocabulary at its end: either it was cut " +
                "short on its way here, or `squeezebert export` did not write it. " +
                "Received: $size bytes",
        )
    }

    private fun unpack(
        name: String,
        entry: Entry,
    ): ByteArray {
        val claimed = maxOf(entry.size, entry.packedSize)
        if (claimed > MAX_BYTES) {
            throw InputError(
                "The packed $name must not be larger than $MAX_BYTES bytes. Received: $claimed bytes",
            )
        }
        val header = record(entry.header, HEADER_SIZE, HEADER_SIGNATURE)
        val start = header + HEADER_SIZE + uint16(header + 26) + uint16(header + 28)
        if (start + entry.packedSize >
            size
        ) {
            throw damaged("$name of ${entry.packedSize} bytes in $size")
        }
        val packed = copy(start, entry.packedSize.toInt())
        val contents =
            when (entry.method) {
                STORED -> packed

                DEFLATED -> inflate(packed, name, entry.size.toInt())

                else -> throw InputError(
                    "The packed $name must be stored or deflated. Received: method ${entry.method}",
                )
            }
        if (contents.size.toLong() != entry.size || crc32(contents) != entry.checksum) {
            throw damaged("$name of ${contents.size} bytes instead of ${entry.size}")
        }
        return contents
    }

    /** Where a record starts, once it has been seen that it is one. */
    private fun record(
        start: Long,
        length: Int,
        signature: Int,
    ): Int {
        val isInside = start >= 0 && start + length <= size
        if (!isInside || bytes.getInt(start.toInt()) != signature) {
            throw damaged("no record at byte $start of $size")
        }
        return start.toInt()
    }

    private fun uint16(at: Int) = bytes.getShort(at).toInt() and 0xffff

    private fun uint32(at: Int) = bytes.getInt(at).toLong() and 0xffffffffL

    private fun copy(
        start: Int,
        length: Int,
    ): ByteArray {
        val part = ByteArray(length)
        bytes.duplicate().apply { position(start) }.get(part)
        return part
    }
}

/** What is packed, if that is `size` bytes or fewer. */
private fun inflate(
    packed: ByteArray,
    name: String,
    size: Int,
): ByteArray {
    val inflater = Inflater(true)
    try {
        val contents = ByteArray(size + 1)
        val stream = InflaterInputStream(ByteArrayInputStream(packed), inflater)
        val length = stream.readUpTo(contents)
        if (length > size) throw damaged("$name of more than $size bytes")
        return contents.copyOf(length)
    } catch (error: IOException) {
        throw damaged("$name, ${error.message}")
    } finally {
        inflater.end()
    }
}

/** How many bytes could be read: the array's size, or fewer at the stream's end. */
private fun InputStream.readUpTo(bytes: ByteArray): Int {
    var length = 0
    while (length < bytes.size) {
        val count = read(bytes, length, bytes.size - length)
        if (count < 0) break
        length += count
    }
    return length
}

private fun crc32(bytes: ByteArray) = CRC32().apply { update(bytes) }.value

private fun damaged(received: String) =
    InputError("The zip archive at the end of this .tflite is damaged. Received: $received")
