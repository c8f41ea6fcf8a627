package org.tensorflow.lite;

import java.util.Map;

public interface InterpreterApi extends AutoCloseable {
  class Options {
    public Options setNumThreads(int numThreads) {
      throw new UnsupportedOperationException("a stub");
    }
  }

  void runSignature(Map<String, Object> inputs, Map<String, Object> outputs, String signatureKey);

  Tensor getInputTensorFromSignature(String inputName, String signatureKey);

  Tensor getOutputTensorFromSignature(String outputName, String signatureKey);

  String[] getSignatureKeys();

  String[] getSignatureInputs(String signatureKey);

  String[] getSignatureOutputs(String signatureKey);

  @Override
  void close();
}
