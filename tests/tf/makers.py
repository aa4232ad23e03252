# SPDX-License-Identifier: Apache-2.0
"""Every layer with every option that changes its circuit; `home` is qstore.layers, qstore_tf or qstore_torch."""

MAKERS = {
    "extractor": lambda home: home.QuantumFeatureExtractor(2, 2, weights_seed=1),
    "extractor-linear": lambda home: home.QuantumFeatureExtractor(3, 2, "linear", "ZX", weights_seed=1),
    "extractor-circular": lambda home: home.QuantumFeatureExtractor(3, 1, "circular", "Y", weights_seed=1),
    "extractor-none": lambda home: home.QuantumFeatureExtractor(2, 1, "none", "X", weights_seed=1),
    "extractor-amplitude": lambda home: home.QuantumFeatureExtractor(
        2, 1, encoding="amplitude", n_features=3, weights_seed=1
    ),
    "extractor-iqp": lambda home: home.QuantumFeatureExtractor(2, 1, encoding="iqp", weights_seed=1),
    "extractor-reupload": lambda home: home.QuantumFeatureExtractor(
        2, 2, encoding="reupload", weights_seed=1
    ),
    "encoding": lambda home: home.EncodingLayer(2, "iqp"),
    "amplitude-damping": lambda home: home.QuantumNonlinearity(2, "amplitude_damping", 0.3),
    "phase-damping": lambda home: home.QuantumNonlinearity(2, "phase_damping", 0.3, encoding="iqp"),
    "parametric": lambda home: home.QuantumNonlinearity(2, "parametric", 0.7),
    "pooling": lambda home: home.QuantumPooling(3, 2, weights_seed=1),
    "pooling-measured": lambda home: home.QuantumPooling(3, 2, "measurement", weights_seed=1),
    "pooling-fixed": lambda home: home.QuantumPooling(2, 2, trainable=False),
    "readout": lambda home: home.QuantumReadout(2, 3, weights_seed=1),
    "readout-scores": lambda home: home.QuantumReadout(2, 3, "expectation", weights_seed=1),
    "decoding": lambda home: home.DecodingLayer(2, 0.0, 3.0),
    "norm": lambda home: home.QuantumBatchNorm(2),
    "adaptive": lambda home: home.AdaptiveLayer(2, 3, 2, weights_seed=1),
    "one-circuit": lambda home: home.Sequential(
        [
            home.QuantumFeatureExtractor(4, 1, weights_seed=1),
            home.QuantumPooling(4, 2, weights_seed=2),
            home.QuantumReadout(2, 3, weights_seed=3),
        ]
    ),
    "three-parts": lambda home: home.Sequential(
        [
            home.QuantumFeatureExtractor(2, 1, measurement_bases="ZX", weights_seed=1),
            home.QuantumBatchNorm(4),
            home.QuantumReadout(4, 3, weights_seed=3),
        ]
    ),
    "dropout": lambda home: home.QuantumFeatureExtractor(
        3, 2, dropout=home.QuantumDropout(0.3, 0.2, 0.3, seed=5), weights_seed=1
    ),
}
