// Models that compute below float: built-in ones, TorchScript and programs of torch.export.
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>
#include <torch/autograd.h>

#include <filesystem>
#include <thread>

#include "core/model/architectures.h"
#include "core/model/mixture.h"
#include "core/model/script_model.h"
#include "core/runtime/autocast.h"
#include "tests/core/model/exported_fixture.h"

namespace acclimate::model {
namespace {

constexpr Mode kEveryMode[] = {Mode::kEvaluation, Mode::kTraining, Mode::kBatchStatistics};

// Of the norm of a tensor. bf16 rounds by at most 1/256 at every layer, and batch norm over few
// values makes more of it: at most 0.06 here, in ResNet-18, whose last maps have one place.
constexpr double kAgreement = 0.1;
// Gradients pass twice as many layers: at most 0.14 here.
constexpr double kGradientAgreement = 0.25;
// Those of gradients twice as many again: 0.17 here.
constexpr double kSecondDerivativeAgreement = 0.3;

double RelativeDifference(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

bool FitsBf16(const at::Tensor& tensor) {
  return tensor.equal(tensor.to(at::kBFloat16).to(tensor.scalar_type()));
}

std::vector<int64_t> SampleShape(const std::string& name) {
  if (absl::StartsWith(name, "resnet18")) return {3, 32, 32};
  if (absl::StartsWith(name, "lenet")) return {1, 16, 16};
  return ExportedSampleShape();
}

// A network, and how it is had: "lenet", "lenet.pt", "cnn.pt2".
std::unique_ptr<Model> Made(const std::string& name) {
  if (absl::EndsWith(name, ".pt2")) {
    return Load(absl::StrCat(ACCLIMATE_TEST_DATA_DIR, "/", name), {"", ExportedSampleShape()})
        .value();
  }
  at::manual_seed(1);
  const std::string architecture = name.substr(0, name.find('.'));
  std::unique_ptr<Model> model = BuildArchitecture({architecture, SampleShape(name), 3}).value();
  if (name == architecture) return model;
  // As a user's own file: no trace of the architecture is left.
  const std::string path = std::filesystem::temp_directory_path() / ("acclimate_precision_" + name);
  static_cast<ScriptModel&>(*model).module().save(path);
  model = Load(path, {"", SampleShape(name)}).value();
  std::filesystem::remove(path);
  return model;
}

at::Tensor InputsFor(const std::string& name, int64_t count = 16) {
  std::vector<int64_t> shape = SampleShape(name);
  shape.insert(shape.begin(), count);
  at::manual_seed(2);
  return at::rand(shape);
}

class PrecisionTest : public ::testing::TestWithParam<std::string> {
 protected:
  // A pass with the same draws of dropout for everybody.
  static ForwardResult Forward(Model& model, const at::Tensor& inputs, Mode mode) {
    at::manual_seed(3);
    return model.Forward(inputs, mode);
  }
  std::unique_ptr<Model> Rounded() const {
    std::unique_ptr<Model> model = Made(GetParam());
    model->set_precision(at::kBFloat16);
    return model;
  }
};

TEST_P(PrecisionTest, AgreesWithFloatInEveryMode) {
  const at::Tensor inputs = InputsFor(GetParam());
  for (const Mode mode : kEveryMode) {
    SCOPED_TRACE(static_cast<int>(mode));
    const auto plain = Made(GetParam()), rounded = Rounded();
    const ForwardResult expected = Forward(*plain, inputs, mode);
    const ForwardResult found = Forward(*rounded, inputs, mode);
    EXPECT_EQ(found.features.scalar_type(), at::kFloat);
    EXPECT_EQ(found.logits.scalar_type(), at::kFloat);
    EXPECT_LT(RelativeDifference(found.features, expected.features), kAgreement);
    EXPECT_LT(RelativeDifference(found.logits, expected.logits), kAgreement);
    EXPECT_FALSE(found.logits.equal(expected.logits));
    EXPECT_EQ(runtime::AutocastType(at::kCPU), at::kFloat);
  }
}

TEST_P(PrecisionTest, LayersPassItOnAndTheClassifierIsFloat) {
  const auto model = Rounded();
  const at::NoGradGuard no_grad;
  const ForwardResult result = model->Forward(InputsFor(GetParam()), Mode::kEvaluation);
  EXPECT_TRUE(FitsBf16(result.features));
  EXPECT_FALSE(FitsBf16(result.logits));
  EXPECT_TRUE(model->ClassifyFeatures(result.features).equal(result.logits));
}

TEST_P(PrecisionTest, GradientsAndWeightsAreFloat) {
  const at::Tensor inputs = InputsFor(GetParam());
  const auto plain = Made(GetParam()), rounded = Rounded();
  for (Model* model : {plain.get(), rounded.get()}) {
    for (const Parameter& parameter : model->parameters()) parameter.tensor.requires_grad_(true);
    Forward(*model, inputs, Mode::kEvaluation).logits.square().mean().backward();
  }
  for (size_t i = 0; i < plain->parameters().size(); ++i) {
    const Parameter& parameter = rounded->parameters()[i];
    EXPECT_EQ(parameter.tensor.scalar_type(), at::kFloat) << parameter.name;
    ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
    EXPECT_EQ(parameter.tensor.grad().scalar_type(), at::kFloat) << parameter.name;
    const at::Tensor& expected = plain->parameters()[i].tensor.grad();
    if (expected.norm().item<double>() < 1e-6) continue;  // a bias before batch norm
    EXPECT_LT(RelativeDifference(parameter.tensor.grad(), expected), kGradientAgreement)
        << parameter.name;
  }
}

TEST_P(PrecisionTest, FloatIsAsIfTheChoiceWereNotThere) {
  const at::Tensor inputs = InputsFor(GetParam());
  for (const Mode mode : kEveryMode) {
    const auto plain = Made(GetParam()), back = Rounded();
    {
      const at::NoGradGuard no_grad;
      back->Forward(inputs, Mode::kEvaluation);
    }
    back->set_precision(at::kFloat);
    const ForwardResult expected = Forward(*plain, inputs, mode);
    const ForwardResult found = Forward(*back, inputs, mode);
    EXPECT_TRUE(found.features.equal(expected.features));
    EXPECT_TRUE(found.logits.equal(expected.logits));
  }
}

TEST_P(PrecisionTest, StatisticsOfBatchNormAreFloat) {
  const at::Tensor inputs = InputsFor(GetParam());
  const at::NoGradGuard no_grad;
  const auto plain = Made(GetParam()), rounded = Rounded();
  const MomentsResult moments = rounded->ForwardWithMoments(inputs, /*share=*/0.0);
  EXPECT_EQ(moments.output.logits.scalar_type(), at::kFloat);
  for (size_t i = 0; i < moments.layers.size(); ++i) {
    const at::Tensor input = rounded->BatchNormInput(i, inputs);
    EXPECT_EQ(input.scalar_type(), at::kFloat);
    EXPECT_TRUE(FitsBf16(input)) << i;
    const at::Tensor exact = input.to(at::kDouble).transpose(0, 1).flatten(1);
    const BatchMoments& layer = moments.layers[i];
    EXPECT_TRUE(at::allclose(layer.mean.to(at::kDouble), exact.mean(1), 1e-5, 1e-6)) << i;
    EXPECT_TRUE(at::allclose(layer.variance.to(at::kDouble), exact.var(1, false), 1e-4, 1e-6)) << i;
  }
  Forward(*plain, inputs, Mode::kTraining);
  Forward(*rounded, inputs, Mode::kTraining);
  for (size_t i = 0; i < plain->batch_norm_layers().size(); ++i) {
    const BatchNormLayer& norm = rounded->batch_norm_layers()[i];
    EXPECT_EQ(norm.running_var.scalar_type(), at::kFloat);
    EXPECT_FALSE(FitsBf16(norm.running_mean)) << norm.name;
    EXPECT_LT(RelativeDifference(norm.running_var, plain->batch_norm_layers()[i].running_var),
              kAgreement);
  }
}

TEST_P(PrecisionTest, TwoHalvesMakeTheWholeAndLevelsAreFloat) {
  const at::Tensor inputs = InputsFor(GetParam());
  const at::NoGradGuard no_grad;
  const auto model = Rounded();
  const ForwardResult whole = model->Forward(inputs, Mode::kEvaluation);
  int rounded_levels = 0;
  for (size_t level = 0; level < model->levels().size(); ++level) {
    const at::Tensor cut = model->ForwardTo(level, inputs, Mode::kEvaluation);
    rounded_levels += cut.scalar_type() == at::kBFloat16;
    const ForwardResult halves = model->ForwardFrom(level, cut, Mode::kEvaluation);
    EXPECT_TRUE(halves.features.equal(whole.features)) << level;
    EXPECT_TRUE(halves.logits.equal(whole.logits)) << level;
    const LevelsResult seen = model->ForwardThrough({level}, inputs, Mode::kEvaluation);
    EXPECT_EQ(seen.levels[0].scalar_type(), at::kFloat);
    EXPECT_TRUE(seen.levels[0].equal(cut.to(at::kFloat))) << level;
    EXPECT_TRUE(seen.output.logits.equal(whole.logits)) << level;
  }
  EXPECT_GT(rounded_levels, 0);
}

TEST_P(PrecisionTest, AStepBetweenTwoPassesIsSeen) {
  const at::Tensor inputs = InputsFor(GetParam());
  const auto model = Rounded();
  for (const Parameter& parameter : model->parameters()) parameter.tensor.requires_grad_(true);
  model->Forward(inputs, Mode::kEvaluation);
  {
    const at::NoGradGuard no_grad;
    for (const Parameter& parameter : model->parameters()) parameter.tensor.mul_(1.25);
  }
  const at::Tensor after = model->Forward(inputs, Mode::kEvaluation).logits;
  EXPECT_TRUE(after.equal(model->Clone()->Forward(inputs, Mode::kEvaluation).logits));
}

TEST_P(PrecisionTest, ClonesKeepItAndShareNothingOfIt) {
  const at::Tensor inputs = InputsFor(GetParam());
  const at::NoGradGuard no_grad;
  const auto rounded = Rounded();
  const auto clone = rounded->Clone(), plain = rounded->Clone();
  EXPECT_EQ(clone->precision(), at::kBFloat16);
  plain->set_precision(at::kFloat);
  const at::Tensor expected = rounded->Forward(inputs, Mode::kEvaluation).logits;
  const at::Tensor exact = plain->Forward(inputs, Mode::kEvaluation).logits;
  EXPECT_TRUE(clone->Forward(inputs, Mode::kEvaluation).logits.equal(expected));
  // Each thread computes in what its model says.
  at::Tensor exact_there;
  std::thread other([&] {
    const at::NoGradGuard no_grad_there;
    exact_there = plain->Forward(inputs, Mode::kEvaluation).logits;
  });
  EXPECT_TRUE(clone->Forward(inputs, Mode::kEvaluation).logits.equal(expected));
  other.join();
  EXPECT_TRUE(exact_there.equal(exact));
}

INSTANTIATE_TEST_SUITE_P(Forms, PrecisionTest,
                         ::testing::Values("lenet", "lenet.pt", "mlp", "resnet18", "cnn.pt2",
                                           "cnn_core.pt2", "cnn_training.pt2", "attention.pt2"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

TEST(Precision, SavedWeightsAreFloatAndUnrounded) {
  const auto model = Made("resnet18");
  const Tensors before = model->StateDict();
  model->set_precision(at::kBFloat16);
  {
    const at::NoGradGuard no_grad;
    model->Forward(InputsFor("resnet18"), Mode::kEvaluation);
  }
  const std::string path =
      std::filesystem::temp_directory_path() / "acclimate_precision.safetensors";
  ASSERT_TRUE(model->Save(path).ok());
  const Tensors saved = ReadTensorFile(path);
  std::filesystem::remove(path);
  ASSERT_EQ(saved.size(), before.size());
  for (const auto& [name, tensor] : saved) EXPECT_TRUE(tensor.equal(before.at(name))) << name;
}

TEST(Precision, CarriesSecondDerivatives) {
  const at::Tensor inputs = InputsFor("lenet", 4);
  std::vector<at::Tensor> found;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const auto model = Made("lenet");
    model->set_precision(type);
    const Parameter first = model->parameters().front();
    const at::Tensor weight = first.tensor.detach().clone().requires_grad_();
    const at::Tensor loss =
        model->ForwardWith({{first.name, weight}}, inputs, Mode::kEvaluation).logits.pow(3).sum();
    const at::Tensor gradient =
        torch::autograd::grad({loss}, {weight}, {}, true, /*create_graph=*/true)[0];
    found.push_back(torch::autograd::grad({gradient.square().sum()}, {weight})[0]);
    EXPECT_EQ(found.back().scalar_type(), at::kFloat);
  }
  EXPECT_LT(RelativeDifference(found[1], found[0]), kSecondDerivativeAgreement);
}

TEST(Precision, AMixtureHasThatOfItsModel) {
  const auto model = Made("lenet");
  model->set_precision(at::kBFloat16);
  const auto mixture = MakeMixture(*model, 2);
  ASSERT_TRUE(mixture.ok()) << mixture.status();
  EXPECT_EQ((*mixture)->precision(), at::kBFloat16);
}

// What throws within a pass must not leave autocast on.
TEST(Precision, EndsWithAFailedPass) {
  const auto model = Made("lenet");
  model->set_precision(at::kBFloat16);
  EXPECT_ANY_THROW(model->Forward(at::rand({2, 5, 16, 16}), Mode::kEvaluation));
  EXPECT_EQ(runtime::AutocastType(at::kCPU), at::kFloat);
}

}  // namespace
}  // namespace acclimate::model
