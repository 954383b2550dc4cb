// Compiled only to carry the precompiled header of LibTorch.
