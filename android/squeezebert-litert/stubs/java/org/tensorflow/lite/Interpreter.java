package org.tensorflow.lite;

import java.nio.ByteBuffer;
import java.util.Map;

public final class Interpreter implements InterpreterApi {
  public static class Options extends InterpreterApi.Options {
    @Override
    public Options setNumThreads(int numThreads) {
      throw new UnsupportedOperationException("a stub");
    }
  }

  public Interpreter(ByteBuffer byteBuffer, Options options) {
    throw new UnsupportedOperationException("a stub");
  }

  @Override
  public void runSignature(
      Map<String, Object> inputs, Map<String, Object> outputs, String signatureKey) {}

  @Override
  public Tensor getInputTensorFromSignature(String inputName, String signatureKey) {
    return null;
  }

  @Override
  public Tensor getOutputTensorFromSignature(String outputName, String signatureKey) {
    return null;
  }

  @Override
  public String[] getSignatureKeys() {
    return null;
  }

  @Override
  public String[] getSignatureInputs(String signatureKey) {
    return null;
  }

  @Override
  public String[] getSignatureOutputs(String signatureKey) {
    return null;
  }

  @Override
  public void close() {}
}
