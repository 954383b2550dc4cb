// Two-dimensional convolution as this processor does it fastest.
#ifndef ACCLIMATE_CORE_MODEL_CONVOLUTION_H_
#define ACCLIMATE_CORE_MODEL_CONVOLUTION_H_

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace acclimate::model {

// at::conv2d: input [N, C, H, W], weight [O, C / groups, KH, KW], bias [O] or undefined; stride,
// padding and dilation have two values each.
//
// 1. Values and gradients are those of at::conv2d but for rounding, second derivatives included.
// 2. The algorithm depends on shapes and dtypes alone, never on what ran before.
// 3. The output is channels-last, whatever the inputs are. A weight that is stored channels-last
//    saves a copy a call.
// 4. The gradient of an input that does not require one is not computed.
//
// This holds for float and double on the CPU, four dimensions and one group. Everything else goes
// to LibTorch as it is, unbatched inputs and other numbers of dimensions included. Throws
// c10::Error where at::conv2d does.
//
// Under autocast (core/runtime/autocast.h) float inputs and weights go to LibTorch rounded to its
// type. On a processor that has no instructions for bf16 they are rounded likewise, and multiplied
// in float, which is several times faster: see Rounded::kInFloat.
at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                       int64_t groups);

// The operator that TorchScript's interpreter calls it by, with the arguments in this order.
const char* ConvolutionOperator();

// How the products of a convolution are laid out. Production uses kChosen, tests and benchmarks the
// others. kColumns applies to the output and the gradient of the weight; the gradient of the input
// is then the library's.
enum class ConvolutionAlgorithm {
  kChosen,   // by shape
  kLibrary,  // at::convolution, channels-last
  kTaps,     // a product for every pair of an output place and a tap that touches data
  kColumns,  // im2col and one product for a block of samples
};

// A convolution of numbers rounded to `type`, below float: both ways add products of them in float
// and round the sums to `type`, gradients included.
enum class Rounded {
  kByLibrary,  // at::conv2d of tensors of that type
  kInFloat,    // Convolution() of float tensors with such values
};

at::Tensor RoundedConvolution(Rounded way, at::ScalarType type, const at::Tensor& input,
                              const at::Tensor& weight, const at::Tensor& bias,
                              at::IntArrayRef stride, at::IntArrayRef padding,
                              at::IntArrayRef dilation, int64_t groups);

at::Tensor ConvolutionBy(ConvolutionAlgorithm algorithm, const at::Tensor& input,
                         const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation);

}  // namespace acclimate::model

#endif  // ACCLIMATE_CORE_MODEL_CONVOLUTION_H_
