#include "core/model/convolution.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>
#include <torch/version.h>

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/runtime/autocast.h"
#include "core/runtime/precision.h"

namespace acclimate::model {
namespace {

struct ConvolutionCase {
  int64_t samples, in, out, height, width, kernel_height, kernel_width, stride, padding, dilation;
  bool bias;

  std::string Name() const {
    return absl::StrCat("n", samples, "_c", in, "_o", out, "_map", height, "x", width, "_kernel",
                        kernel_height, "x", kernel_width, "_s", stride, "_p", padding, "_d",
                        dilation, bias ? "_bias" : "");
  }
};

std::ostream& operator<<(std::ostream& stream, const ConvolutionCase& c) {
  return stream << c.Name();
}

std::vector<ConvolutionCase> ConvolutionCases() {
  std::vector<ConvolutionCase> cases = {
      {3, 2, 3, 5, 3, 3, 1, 1, 1, 1, true},    // neither map nor kernel is square
      {3, 2, 3, 2, 5, 1, 3, 2, 1, 1, false},   //
      {2, 1, 4, 12, 12, 5, 5, 1, 0, 1, true},  // a first layer
      {2, 3, 4, 9, 9, 7, 7, 2, 3, 1, false},   // that of a ResNet
      {1, 2, 3, 1, 1, 3, 3, 1, 2, 1, true},    // output places that touch no data
      {9, 3, 2, 3, 3, 3, 3, 1, 1, 1, true},
  };
  for (const int64_t map : {1, 2, 3, 4, 5}) {
    for (const int64_t kernel : {1, 3}) {
      for (const int64_t stride : {1, 2}) {
        for (const int64_t padding : {0, 1, 2}) {
          for (const int64_t dilation : {1, 2}) {
            if (dilation * (kernel - 1) + 1 > map + 2 * padding) continue;
            cases.push_back({2, 3, 4, map, map, kernel, kernel, stride, padding, dilation,
                             (map + padding) % 2 == 0});
          }
        }
      }
    }
  }
  return cases;
}

struct Operands {
  explicit Operands(const ConvolutionCase& c) {
    at::manual_seed(3);
    const auto make = [](at::IntArrayRef shape) {
      return at::randn(shape, at::kDouble).requires_grad_();
    };
    input = make({c.samples, c.in, c.height, c.width});
    weight = make({c.out, c.in, c.kernel_height, c.kernel_width});
    if (c.bias) bias = make({c.out});
  }
  std::vector<at::Tensor> Leaves() const {
    std::vector<at::Tensor> leaves = {input, weight};
    if (bias.defined()) leaves.push_back(bias);
    return leaves;
  }
  at::Tensor input, weight, bias;
};

// The value, its gradients and, when asked for, the gradients of a function of the gradients.
std::vector<at::Tensor> Derivatives(const Operands& tensors, const at::Tensor& output,
                                    bool second) {
  std::vector<at::Tensor> results = {output.detach()};
  // Its derivative depends on the output, and its second derivative is not zero.
  const at::Tensor loss = (output * output).sin().sum();
  for (const at::Tensor& gradient :
       torch::autograd::grad({loss}, tensors.Leaves(), {}, /*retain_graph=*/true)) {
    results.push_back(gradient);
  }
  if (!second) return results;
  at::Tensor penalty = at::zeros({}, at::kDouble);
  for (const at::Tensor& gradient : torch::autograd::grad(
           {loss}, tensors.Leaves(), {}, /*retain_graph=*/true, /*create_graph=*/true)) {
    penalty = penalty + gradient.square().sum();
  }
  for (const at::Tensor& gradient : torch::autograd::grad({penalty}, tensors.Leaves())) {
    results.push_back(gradient);
  }
  return results;
}

void ExpectEqual(const std::vector<at::Tensor>& found, const std::vector<at::Tensor>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].sizes(), expected[i].sizes()) << i;
    EXPECT_TRUE(at::allclose(found[i], expected[i], 1e-9, 1e-9))
        << "tensor " << i << " differs by " << (found[i] - expected[i]).abs().max().item<double>();
  }
}

class ConvolutionTest : public ::testing::TestWithParam<ConvolutionCase> {};

TEST_P(ConvolutionTest, IsThatOfLibTorch) {
  const ConvolutionCase& c = GetParam();
  const Operands tensors(c);
  const std::vector<int64_t> stride(2, c.stride), padding(2, c.padding), dilation(2, c.dilation);
  const std::vector<at::Tensor> expected = Derivatives(
      tensors, at::conv2d(tensors.input, tensors.weight, tensors.bias, stride, padding, dilation),
      /*second=*/true);
  for (const ConvolutionAlgorithm algorithm :
       {ConvolutionAlgorithm::kChosen, ConvolutionAlgorithm::kLibrary, ConvolutionAlgorithm::kTaps,
        ConvolutionAlgorithm::kColumns}) {
    SCOPED_TRACE(absl::StrCat("algorithm ", static_cast<int>(algorithm)));
    const at::Tensor output = ConvolutionBy(algorithm, tensors.input, tensors.weight, tensors.bias,
                                            stride, padding, dilation);
    EXPECT_TRUE(output.is_contiguous(at::MemoryFormat::ChannelsLast));
    // LibTorch differentiates the gradients of each algorithm alike.
    const bool second = algorithm == ConvolutionAlgorithm::kChosen;
    ExpectEqual(Derivatives(tensors, output, second),
                {expected.begin(),
                 second ? expected.end() : expected.begin() + 1 + tensors.Leaves().size()});
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ConvolutionTest, ::testing::ValuesIn(ConvolutionCases()),
                         [](const auto& info) { return info.param.Name(); });

TEST(Convolution, LayoutsOfItsArgumentsDoNotMatter) {
  const ConvolutionCase c{3, 4, 5, 2, 2, 3, 3, 1, 1, 1, true};
  const Operands tensors(c);
  const at::Tensor plain =
      Convolution(tensors.input, tensors.weight, tensors.bias, {1, 1}, {1, 1}, {1, 1}, 1);
  const auto last = [](const at::Tensor& tensor) {
    return tensor.detach().contiguous(at::MemoryFormat::ChannelsLast);
  };
  EXPECT_TRUE(plain.equal(Convolution(last(tensors.input), last(tensors.weight), tensors.bias,
                                      {1, 1}, {1, 1}, {1, 1}, 1)));
  const at::Tensor transposed = tensors.input.detach().transpose(2, 3);
  ExpectEqual({Convolution(transposed, tensors.weight, {}, {1, 1}, {1, 1}, {1, 1}, 1)},
              {at::conv2d(transposed, tensors.weight, {}, 1, 1)});
}

// So that a parameter takes it over without a copy.
TEST(Convolution, GradientOfAChannelsLastWeightIsChannelsLast) {
  for (const int64_t map : {2, 4, 6}) {
    const at::Tensor weight =
        at::randn({5, 4, 3, 3}).contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
    Convolution(at::randn({3, 4, map, map}), weight, {}, {1, 1}, {1, 1}, {1, 1}, 1)
        .square()
        .sum()
        .backward();
    EXPECT_EQ(weight.grad().strides(), weight.strides()) << map;
  }
}

TEST(Convolution, WithoutGradientsRecordsNothing) {
  const Operands tensors({2, 3, 4, 4, 4, 3, 3, 1, 1, 1, true});
  const at::NoGradGuard no_grad;
  EXPECT_FALSE(Convolution(tensors.input, tensors.weight, tensors.bias, {1, 1}, {1, 1}, {1, 1}, 1)
                   .requires_grad());
}

TEST(Convolution, LeavesToLibTorchWhatIsNotItsOwn) {
  at::manual_seed(3);
  const at::Tensor input = at::randn({2, 4, 5, 5});
  const at::Tensor grouped = at::randn({4, 2, 3, 3});
  EXPECT_TRUE(Convolution(input, grouped, {}, {1, 1}, {1, 1}, {1, 1}, 2)
                  .equal(at::conv2d(input, grouped, {}, 1, 1, 1, 2)));
  const at::Tensor weight = at::randn({3, 4, 3, 3});
  const at::Tensor one = Convolution(input[0], weight, {}, {1, 1}, {1, 1}, {1, 1}, 1);
  EXPECT_EQ(one.sizes(), (std::vector<int64_t>{3, 5, 5}));
  const at::Tensor series = at::randn({2, 4, 9}), filter = at::randn({3, 4, 3});
  EXPECT_TRUE(Convolution(series, filter, {}, {2}, {1}, {1}, 1)
                  .equal(at::conv1d(series, filter, {}, 2, 1)));
  EXPECT_THROW(Convolution(input, at::randn({3, 5, 3, 3}), {}, {1, 1}, {1, 1}, {1, 1}, 1),
               c10::Error);
  EXPECT_THROW(Convolution(input, at::randn({3, 4, 9, 9}), {}, {1, 1}, {0, 0}, {1, 1}, 1),
               c10::Error);
  EXPECT_THROW(Convolution(input, at::randn({3, 4, 6, 6}), {}, {2, 2}, {0, 0}, {1, 1}, 1),
               c10::Error);
  EXPECT_THROW(Convolution(input, weight, {}, {0, 0}, {0, 0}, {1, 1}, 1), c10::Error);
}

// The value and its gradients, in float.
std::vector<at::Tensor> InFloat(const Operands& tensors, const at::Tensor& output) {
  std::vector<at::Tensor> results = {output.detach().to(at::kFloat)};
  for (const at::Tensor& gradient :
       torch::autograd::grad({output.to(at::kFloat).square().sum()}, tensors.Leaves())) {
    EXPECT_EQ(gradient.scalar_type(), at::kFloat);
    results.push_back(gradient);
  }
  return results;
}

TEST(RoundedConvolution, BothWaysAreOneConvolution) {
  if (TORCH_VERSION_MAJOR < 2 && !runtime::CpuHasBf16()) {
    GTEST_SKIP() << "LibTorch " << TORCH_VERSION << " adds products up in bf16 on this processor";
  }
  constexpr double kRounding = 1.0 / 64;  // four places of bf16, of the largest number of a tensor
  for (const ConvolutionCase& c : ConvolutionCases()) {
    SCOPED_TRACE(c.Name());
    Operands tensors(c);
    for (at::Tensor* leaf : {&tensors.input, &tensors.weight, &tensors.bias}) {
      if (leaf->defined()) *leaf = leaf->detach().to(at::kFloat).requires_grad_();
    }
    const std::vector<int64_t> stride(2, c.stride), padding(2, c.padding), dilation(2, c.dilation);
    std::vector<std::vector<at::Tensor>> found;
    for (const Rounded way : {Rounded::kByLibrary, Rounded::kInFloat}) {
      const at::Tensor output =
          RoundedConvolution(way, at::kBFloat16, tensors.input, tensors.weight, tensors.bias,
                             stride, padding, dilation, 1);
      EXPECT_EQ(output.scalar_type(), at::kBFloat16);
      found.push_back(InFloat(tensors, output));
    }
    for (size_t i = 0; i < found[0].size(); ++i) {
      const double largest = found[0][i].abs().max().item<double>();
      EXPECT_TRUE(at::allclose(found[1][i], found[0][i], 0, kRounding * largest)) << i;
    }
  }
}

TEST(Convolution, FollowsAutocast) {
  at::manual_seed(3);
  const at::Tensor input = at::randn({2, 4, 5, 5}), weight = at::randn({3, 4, 3, 3});
  const at::Tensor plain = Convolution(input, weight, {}, {1, 1}, {1, 1}, {1, 1}, 1);
  const runtime::AutocastScope scope(at::kCPU, at::kBFloat16);
  const at::Tensor rounded = Convolution(input, weight, {}, {1, 1}, {1, 1}, {1, 1}, 1);
  EXPECT_EQ(rounded.scalar_type(), at::kBFloat16);
  EXPECT_TRUE(at::allclose(rounded.to(at::kFloat), plain, 0.02, 0.02));
  EXPECT_FALSE(rounded.to(at::kFloat).equal(plain));
  // LibTorch's autocast leaves at::convolution on the CPU alone, which then refuses two types.
  const at::Tensor series = at::randn({2, 4, 9}).to(at::kBFloat16), filter = at::randn({3, 4, 3});
  EXPECT_EQ(Convolution(series, filter, {}, {2}, {1}, {1}, 1).scalar_type(), at::kBFloat16);
  const at::Tensor exact = at::randn({2, 4, 5, 5}, at::kDouble);
  EXPECT_EQ(Convolution(exact, weight.to(at::kDouble), {}, {1, 1}, {1, 1}, {1, 1}, 1).scalar_type(),
            at::kDouble);
}

}  // namespace
}  // namespace acclimate::model
