#include "core/model/convolution.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/autograd.h>
#include <torch/csrc/jit/runtime/custom_operator.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/runtime/autocast.h"
#include "core/runtime/precision.h"

namespace acclimate::model {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// One axis of a convolution: which input place a tap of an output place reads.
struct Axis {
  int64_t input, kernel, output, stride, padding, dilation;

  // Outside [0, input): padding.
  int64_t Place(int64_t output_place, int64_t tap) const {
    return output_place * stride - padding + tap * dilation;
  }
  bool Touches(int64_t output_place, int64_t tap) const {
    const int64_t place = Place(output_place, tap);
    return place >= 0 && place < input;
  }
};

struct Geometry {
  Axis y, x;
  int64_t samples, in, out;  // samples and channels

  int64_t OutputPlaces() const { return y.output * x.output; }
  int64_t Taps() const { return y.kernel * x.kernel; }
  int64_t ColumnWidth() const { return Taps() * in; }
};

Axis MakeAxis(int64_t input, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  const int64_t slack = input + 2 * padding - dilation * (kernel - 1) - 1;
  return {input, kernel, slack < 0 ? 0 : slack / stride + 1, stride, padding, dilation};
}

Geometry GeometryOf(const at::Tensor& input, const at::Tensor& weight, at::IntArrayRef stride,
                    at::IntArrayRef padding, at::IntArrayRef dilation) {
  return {MakeAxis(input.size(2), weight.size(2), stride[0], padding[0], dilation[0]),
          MakeAxis(input.size(3), weight.size(3), stride[1], padding[1], dilation[1]),
          input.size(0), input.size(1), weight.size(0)};
}

at::Tensor ChannelsLast(const at::Tensor& tensor) {
  return tensor.contiguous(at::MemoryFormat::ChannelsLast);
}

// [N, C, H, W] channels-last -> contiguous [N, H, W, C]. A weight: [O, KH, KW, C].
at::Tensor Places(const at::Tensor& tensor) {
  const at::Tensor last = ChannelsLast(tensor);
  const int64_t h = last.size(2), w = last.size(3), c = last.size(1);
  // Strides of dimensions of one place are arbitrary before, and canonical after.
  return last.as_strided({last.size(0), h, w, c}, {h * w * c, w * c, c, 1});
}

at::Tensor Channels(const at::Tensor& places) { return places.permute({0, 3, 1, 2}); }

// For the library, which takes images of one channel for channels-last by these strides alone, and
// otherwise gives back another layout.
at::Tensor WithCanonicalStrides(const at::Tensor& tensor) { return Channels(Places(tensor)); }

// --- A product for every pair of an output place and a tap that touches data.

// Calls visit(oy, ox, ky, kx, iy, ix) for each pair.
template <typename Visit>
void ForEachPair(const Geometry& g, const Visit& visit) {
  for (int64_t oy = 0; oy < g.y.output; ++oy) {
    for (int64_t ox = 0; ox < g.x.output; ++ox) {
      for (int64_t ky = 0; ky < g.y.kernel; ++ky) {
        if (!g.y.Touches(oy, ky)) continue;
        for (int64_t kx = 0; kx < g.x.kernel; ++kx) {
          if (!g.x.Touches(ox, kx)) continue;
          visit(oy, ox, ky, kx, g.y.Place(oy, ky), g.x.Place(ox, kx));
        }
      }
    }
  }
}

// The matrices [rows, channels] of one contiguous [rows, H, W, channels], one a place. The first
// product added to a matrix overwrites it; Finish() clears those that got none.
class PlaceMatrices {
 public:
  explicit PlaceMatrices(const at::Tensor& places)
      : width_(places.size(2)), written_(places.size(1) * places.size(2)) {
    for (int64_t i = 0; i < places.size(1); ++i) {
      for (int64_t j = 0; j < width_; ++j) {
        matrices_.push_back(places.select(1, i).select(1, j));
      }
    }
  }
  const at::Tensor& At(int64_t i, int64_t j) const { return matrices_[i * width_ + j]; }
  void Add(int64_t i, int64_t j, const at::Tensor& left, const at::Tensor& right) {
    const int64_t place = i * width_ + j;
    matrices_[place].addmm_(left, right, /*beta=*/written_[place] ? 1 : 0, /*alpha=*/1);
    written_[place] = true;
  }
  void Finish() {
    for (size_t i = 0; i < written_.size(); ++i) {
      if (!written_[i]) matrices_[i].zero_();
    }
  }

 private:
  const int64_t width_;
  std::vector<at::Tensor> matrices_;
  std::vector<bool> written_;
};

at::Tensor ForwardByTaps(const Geometry& g, const at::Tensor& input, const at::Tensor& weight) {
  at::Tensor output = at::empty({g.samples, g.y.output, g.x.output, g.out}, input.options());
  const PlaceMatrices x(Places(input)), w(Places(weight));
  PlaceMatrices y(output);
  ForEachPair(g, [&](int64_t oy, int64_t ox, int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
    y.Add(oy, ox, x.At(iy, ix), w.At(ky, kx).t());
  });
  y.Finish();
  return Channels(output);
}

at::Tensor InputGradientByTaps(const Geometry& g, const at::Tensor& gradient,
                               const at::Tensor& weight) {
  at::Tensor result = at::empty({g.samples, g.y.input, g.x.input, g.in}, gradient.options());
  const PlaceMatrices dy(Places(gradient)), w(Places(weight));
  PlaceMatrices dx(result);
  ForEachPair(g, [&](int64_t oy, int64_t ox, int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
    dx.Add(iy, ix, dy.At(oy, ox), w.At(ky, kx));
  });
  dx.Finish();
  return Channels(result);
}

at::Tensor WeightGradientByTaps(const Geometry& g, const at::Tensor& gradient,
                                const at::Tensor& input) {
  at::Tensor result = at::empty({g.out, g.y.kernel, g.x.kernel, g.in}, gradient.options());
  const PlaceMatrices dy(Places(gradient)), x(Places(input));
  PlaceMatrices dw(result);
  ForEachPair(g, [&](int64_t oy, int64_t ox, int64_t ky, int64_t kx, int64_t iy, int64_t ix) {
    dw.Add(ky, kx, dy.At(oy, ox).t(), x.At(iy, ix));
  });
  dw.Finish();
  return Channels(result);
}

// --- im2col.

// Samples whose columns fit the second-level cache of common processors, about 512 KiB.
int64_t BlockSamples(const Geometry& g, size_t element_bytes) {
  constexpr int64_t kBlockBytes = 512 << 10;
  const int64_t sample_bytes =
      g.OutputPlaces() * g.ColumnWidth() * static_cast<int64_t>(element_bytes);
  return std::clamp<int64_t>(kBlockBytes / std::max<int64_t>(sample_bytes, 1), 1, g.samples);
}

// The part of a row of columns that reads line `line` of a sample: KW runs of `run` bytes.
void WriteTaps(const Axis& x, int64_t output_place, const char* line, size_t run, char* columns) {
  const int64_t first = x.Place(output_place, 0);
  if (x.dilation == 1 && first >= 0 && first + x.kernel <= x.input) {
    std::memcpy(columns, line + first * run, x.kernel * run);
    return;
  }
  for (int64_t tap = 0; tap < x.kernel; ++tap, columns += run) {
    if (x.Touches(output_place, tap)) {
      std::memcpy(columns, line + x.Place(output_place, tap) * run, run);
    } else {
      std::memset(columns, 0, run);
    }
  }
}

// One sample [H, W, C] -> its rows [OH * OW, KH * KW * C].
void WriteColumns(const Geometry& g, const char* sample, size_t element_bytes, char* columns) {
  const size_t run = g.in * element_bytes, taps = g.x.kernel * run;
  for (int64_t oy = 0; oy < g.y.output; ++oy) {
    for (int64_t ox = 0; ox < g.x.output; ++ox) {
      for (int64_t ky = 0; ky < g.y.kernel; ++ky, columns += taps) {
        if (g.y.Touches(oy, ky)) {
          WriteTaps(g.x, ox, sample + g.y.Place(oy, ky) * g.x.input * run, run, columns);
        } else {
          std::memset(columns, 0, taps);
        }
      }
    }
  }
}

// Calls use(columns, first row, rows) for one block of samples after the other; the rows are those
// of all output places.
template <typename Use>
void ForEachBlock(const Geometry& g, const at::Tensor& input, const Use& use) {
  const at::Tensor places = Places(input);
  const int64_t rows = g.OutputPlaces();
  if (g.Taps() == 1 && rows == places.size(1) * places.size(2) && g.y.padding == 0 &&
      g.x.padding == 0) {
    use(places.view({g.samples * rows, g.in}), 0, g.samples * rows);
    return;
  }
  const size_t element = places.element_size();
  const int64_t block = BlockSamples(g, element);
  const at::Tensor buffer = at::empty({block * rows, g.ColumnWidth()}, input.options());
  const char* const data = static_cast<const char*>(places.data_ptr());
  const size_t sample_bytes = g.y.input * g.x.input * g.in * element;
  const size_t column_bytes = rows * g.ColumnWidth() * element;
  for (int64_t begin = 0; begin < g.samples; begin += block) {
    const int64_t count = std::min(block, g.samples - begin);
    char* const columns = static_cast<char*>(buffer.data_ptr());
    at::parallel_for(0, count, 1, [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) {
        WriteColumns(g, data + (begin + i) * sample_bytes, element, columns + i * column_bytes);
      }
    });
    use(buffer.narrow(0, 0, count * rows), begin * rows, count * rows);
  }
}

at::Tensor ForwardByColumns(const Geometry& g, const at::Tensor& input, const at::Tensor& weight) {
  at::Tensor output = at::empty({g.samples * g.OutputPlaces(), g.out}, input.options());
  const at::Tensor matrix = Places(weight).view({g.out, g.ColumnWidth()}).t();
  ForEachBlock(g, input, [&](const at::Tensor& columns, int64_t begin, int64_t rows) {
    at::Tensor part = output.narrow(0, begin, rows);
    at::mm_out(part, columns, matrix);
  });
  return Channels(output.view({g.samples, g.y.output, g.x.output, g.out}));
}

at::Tensor WeightGradientByColumns(const Geometry& g, const at::Tensor& gradient,
                                   const at::Tensor& input) {
  at::Tensor result = at::empty({g.out, g.ColumnWidth()}, gradient.options());
  const at::Tensor dy = Places(gradient).view({g.samples * g.OutputPlaces(), g.out});
  ForEachBlock(g, input, [&](const at::Tensor& columns, int64_t begin, int64_t rows) {
    result.addmm_(dy.narrow(0, begin, rows).t(), columns, /*beta=*/begin == 0 ? 0 : 1);
  });
  return Channels(result.view({g.out, g.y.kernel, g.x.kernel, g.in}));
}

// --- The choice, and the derivatives.

// Measured with oneDNN 3.12 and MKL 2024.2 on AVX2, 64 samples; docs/performance.md has figures. On
// maps of 4x4 the products by taps are as fast as the library's for the output and faster for
// gradients, on smaller ones up to forty times. The library's gradient of a weight is slower than
// by columns up to maps of 8x8.
constexpr int64_t kTapsPlaces = 16;
constexpr int64_t kTapsSamples = 8;  // the rows of each product: fewer do not pay for its call
constexpr int64_t kColumnsPlaces = 64;

ConvolutionAlgorithm Choose(const Geometry& g, bool weight_gradient) {
  if (g.OutputPlaces() == 1 || (g.OutputPlaces() <= kTapsPlaces && g.samples >= kTapsSamples)) {
    return ConvolutionAlgorithm::kTaps;
  }
  if (weight_gradient && g.OutputPlaces() <= kColumnsPlaces) return ConvolutionAlgorithm::kColumns;
  return ConvolutionAlgorithm::kLibrary;
}

struct Attributes {
  std::array<int64_t, 2> stride, padding, dilation;
  ConvolutionAlgorithm algorithm;

  ConvolutionAlgorithm For(const Geometry& g, bool weight_gradient) const {
    return algorithm == ConvolutionAlgorithm::kChosen ? Choose(g, weight_gradient) : algorithm;
  }
  Geometry GeometryFor(const at::Tensor& input, const at::Tensor& weight) const {
    return GeometryOf(input, weight, stride, padding, dilation);
  }
};

constexpr std::array<int64_t, 2> kNoOutputPadding = {0, 0};

at::Tensor Forward(const Attributes& a, const at::Tensor& input, const at::Tensor& weight,
                   const at::Tensor& bias) {
  const Geometry g = a.GeometryFor(input, weight);
  at::Tensor output;
  switch (a.For(g, /*weight_gradient=*/false)) {
    case ConvolutionAlgorithm::kTaps:
      output = ForwardByTaps(g, input, weight);
      break;
    case ConvolutionAlgorithm::kColumns:
      output = ForwardByColumns(g, input, weight);
      break;
    default:
      return ChannelsLast(at::convolution(WithCanonicalStrides(input), WithCanonicalStrides(weight),
                                          bias, a.stride, a.padding, a.dilation,
                                          /*transposed=*/false, kNoOutputPadding, /*groups=*/1));
  }
  return bias.defined() ? output.add_(bias.view({1, -1, 1, 1})) : output;
}

at::Tensor LibraryGradient(const Attributes& a, const at::Tensor& gradient, const at::Tensor& input,
                           const at::Tensor& weight, std::array<bool, 3> wanted) {
  const auto results = at::convolution_backward(
      gradient, input, weight, at::OptionalIntArrayRef(), a.stride, a.padding, a.dilation,
      /*transposed=*/false, kNoOutputPadding, /*groups=*/1, wanted);
  return wanted[0] ? std::get<0>(results) : std::get<1>(results);
}

at::Tensor ChannelsLastGradient(const Attributes& a, const at::Tensor& gradient,
                                const at::Tensor& input, const at::Tensor& weight,
                                std::array<bool, 3> wanted) {
  return LibraryGradient(a, WithCanonicalStrides(gradient), WithCanonicalStrides(input),
                         WithCanonicalStrides(weight), wanted);
}

at::Tensor InputGradient(const Attributes& a, const at::Tensor& gradient, const at::Tensor& input,
                         const at::Tensor& weight) {
  const Geometry g = a.GeometryFor(input, weight);
  if (a.For(g, /*weight_gradient=*/false) == ConvolutionAlgorithm::kTaps) {
    return InputGradientByTaps(g, gradient, weight);
  }
  return ChannelsLastGradient(a, gradient, input, weight, {true, false, false});
}

at::Tensor WeightGradient(const Attributes& a, const at::Tensor& gradient, const at::Tensor& input,
                          const at::Tensor& weight) {
  const Geometry g = a.GeometryFor(input, weight);
  switch (a.For(g, /*weight_gradient=*/true)) {
    case ConvolutionAlgorithm::kTaps:
      return WeightGradientByTaps(g, gradient, input);
    case ConvolutionAlgorithm::kColumns:
      return WeightGradientByColumns(g, gradient, input);
    default:
      return ChannelsLastGradient(a, gradient, input, weight, {false, true, false});
  }
}

// std::optional, or c10's own in LibTorch 1.13.
using OptionalTensor = decltype(std::declval<c10::IValue>().toOptional<at::Tensor>());

// What is kept for the backward pass beside tensors.
constexpr char kAttributes[] = "attributes";
constexpr char kWanted[] = "wanted";

class OwnConvolution : public torch::autograd::Function<OwnConvolution> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const OptionalTensor& given_bias,
                            const Attributes& attributes) {
    const at::Tensor bias = given_bias.has_value() ? *given_bias : at::Tensor();
    context->save_for_backward({input, weight});
    context->saved_data[kWanted] = std::vector<int64_t>{
        input.requires_grad(), weight.requires_grad(), bias.defined() && bias.requires_grad()};
    context->saved_data[kAttributes] =
        std::vector<int64_t>{attributes.stride[0],
                             attributes.stride[1],
                             attributes.padding[0],
                             attributes.padding[1],
                             attributes.dilation[0],
                             attributes.dilation[1],
                             static_cast<int64_t>(attributes.algorithm)};
    return Forward(attributes, input, weight, bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &gradient = gradients[0], &input = saved[0], &weight = saved[1];
    const std::vector<int64_t> wanted = context->saved_data[kWanted].toIntVector();
    const std::vector<int64_t> v = context->saved_data[kAttributes].toIntVector();
    const Attributes a{{v[0], v[1]}, {v[2], v[3]}, {v[4], v[5]}, ConvolutionAlgorithm(v[6])};
    variable_list results(4);
    if (wanted[2]) results[2] = gradient.sum({0, 2, 3});
    if (at::GradMode::is_enabled()) {
      // The derivative will be differentiated: LibTorch knows how.
      if (wanted[0]) results[0] = LibraryGradient(a, gradient, input, weight, {true, false, false});
      if (wanted[1]) results[1] = LibraryGradient(a, gradient, input, weight, {false, true, false});
      return results;
    }
    if (wanted[0]) results[0] = InputGradient(a, gradient, input, weight);
    if (wanted[1]) results[1] = WeightGradient(a, gradient, input, weight);
    return results;
  }
};

bool IsOurs(const at::Tensor& input, const at::Tensor& weight, at::IntArrayRef stride,
            at::IntArrayRef padding, at::IntArrayRef dilation, int64_t groups) {
  const at::ScalarType type = input.scalar_type();
  return groups == 1 && input.is_cpu() && weight.is_cpu() && input.dim() == 4 &&
         weight.dim() == 4 && (type == at::kFloat || type == at::kDouble) &&
         weight.scalar_type() == type && stride.size() == 2 && padding.size() == 2 &&
         dilation.size() == 2 && std::min({stride[0], stride[1], dilation[0], dilation[1]}) > 0 &&
         input.size(1) == weight.size(1) && input.numel() > 0 && weight.numel() > 0;
}

at::Tensor ByLibrary(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                     at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                     int64_t groups) {
  if (stride.size() == 2) {
    return at::conv2d(input, weight, bias, stride, padding, dilation, groups);
  }
  const std::vector<int64_t> no_output_padding(stride.size(), 0);
  return at::convolution(input, weight, bias, stride, padding, dilation, /*transposed=*/false,
                         no_output_padding, groups);
}

bool IsPossible(const Geometry& g) {
  return std::min(g.y.output, g.x.output) > 0 && std::min(g.y.padding, g.x.padding) >= 0;
}

at::Tensor To(at::ScalarType type, const at::Tensor& tensor) {
  return tensor.defined() ? tensor.to(type) : tensor;
}

// As autocast has it: double stays.
bool IsRounded(const at::Tensor& tensor) {
  return tensor.is_floating_point() && tensor.scalar_type() != at::kDouble;
}

// Convolution() without autocast.
at::Tensor AsTheyCome(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                      at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                      int64_t groups) {
  if (!IsOurs(input, weight, stride, padding, dilation, groups) ||
      !IsPossible(GeometryOf(input, weight, stride, padding, dilation))) {
    return ByLibrary(input, weight, bias, stride, padding, dilation, groups);
  }
  return ConvolutionBy(ConvolutionAlgorithm::kChosen, input, weight, bias, stride, padding,
                       dilation);
}

}  // namespace

at::Tensor ConvolutionBy(ConvolutionAlgorithm algorithm, const at::Tensor& input,
                         const at::Tensor& weight, const at::Tensor& bias, at::IntArrayRef stride,
                         at::IntArrayRef padding, at::IntArrayRef dilation) {
  const Attributes attributes{
      {stride[0], stride[1]}, {padding[0], padding[1]}, {dilation[0], dilation[1]}, algorithm};
  return OwnConvolution::apply(ChannelsLast(input), ChannelsLast(weight),
                               bias.defined() ? OptionalTensor(bias) : OptionalTensor(),
                               attributes);
}

at::Tensor RoundedConvolution(Rounded way, at::ScalarType type, const at::Tensor& input,
                              const at::Tensor& weight, const at::Tensor& bias,
                              at::IntArrayRef stride, at::IntArrayRef padding,
                              at::IntArrayRef dilation, int64_t groups) {
  const runtime::AutocastScope off(input.device().type(), at::kFloat);
  const at::Tensor x = To(type, input), w = To(type, weight), b = To(type, bias);
  if (way == Rounded::kByLibrary) {
    return ByLibrary(x, w, b, stride, padding, dilation, groups);
  }
  return AsTheyCome(To(at::kFloat, x), To(at::kFloat, w), To(at::kFloat, b), stride, padding,
                    dilation, groups)
      .to(type);
}

at::Tensor Convolution(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                       int64_t groups) {
  const at::ScalarType type = runtime::AutocastType(input.device().type());
  if (type == at::kFloat || !IsRounded(input) || !IsRounded(weight)) {
    return AsTheyCome(input, weight, bias, stride, padding, dilation, groups);
  }
  const bool natively = !input.is_cpu() || runtime::CpuHasBf16();
  return RoundedConvolution(natively ? Rounded::kByLibrary : Rounded::kInFloat, type, input, weight,
                            bias, stride, padding, dilation, groups);
}

namespace {

constexpr char kOperator[] = "acclimate::conv2d";

// By hand: the two supported releases of LibTorch do not agree about the type of an optional
// tensor.
void Call(torch::jit::Stack& stack) {
  const size_t first = stack.size() - 7;
  const auto list = [&](size_t i) { return stack[first + i].toIntVector(); };
  const c10::IValue& bias = stack[first + 2];
  at::Tensor output = Convolution(stack[first].toTensor(), stack[first + 1].toTensor(),
                                  bias.isNone() ? at::Tensor() : bias.toTensor(), list(3), list(4),
                                  list(5), stack[first + 6].toInt());
  torch::jit::drop(stack, 7);
  torch::jit::push(stack, std::move(output));
}

const torch::jit::RegisterOperators registration(
    {torch::jit::Operator(absl::StrCat(kOperator,
                                       "(Tensor input, Tensor weight, Tensor? bias, int[] stride, "
                                       "int[] padding, int[] dilation, int groups) -> Tensor"),
                          &Call, c10::AliasAnalysisKind::FROM_SCHEMA)});

}  // namespace

const char* ConvolutionOperator() { return kOperator; }

}  // namespace acclimate::model
