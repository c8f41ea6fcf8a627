package android.content.res;

import java.io.Closeable;
import java.io.FileInputStream;
import java.io.IOException;

public class AssetFileDescriptor implements Closeable {
  public long getStartOffset() {
    throw new UnsupportedOperationException("a stub");
  }

  public long getDeclaredLength() {
    throw new UnsupportedOperationException("a stub");
  }

  public FileInputStream createInputStream() throws IOException {
    throw new UnsupportedOperationException("a stub");
  }

  @Override
  public void close() throws IOException {}
}
