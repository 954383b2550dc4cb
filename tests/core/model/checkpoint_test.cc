#include "core/model/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/enum.h>
#include <torch/nn.h>
#include <torch/version.h>

#include <fstream>
#include <set>

#include "absl/strings/str_join.h"
#include "core/io/tensor_file.h"
#include "core/model/architectures.h"
#include "tests/core/model/python_fixture.h"

namespace acclimate::model {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<int64_t> kImage = {3, 32, 32};

class CheckpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!PythonModels().available()) GTEST_SKIP() << "no python3-torch, python3-torchvision";
  }
  static std::string Path(const std::string& name) { return PythonModels().Path(name); }
  static std::string ScratchPath(const std::string& name) {
    return PythonModels().ScratchPath(name);
  }
  static std::string ReadBytes(const std::string& name) {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static absl::StatusOr<std::unique_ptr<Model>> LoadBytes(const std::string& bytes,
                                                          const LoadOptions& options = {}) {
    std::ofstream(ScratchPath("mutated"), std::ios::binary) << bytes;
    return Load(ScratchPath("mutated"), options);
  }
};

class PythonModelTest : public CheckpointTest,
                        public ::testing::WithParamInterface<std::tuple<const char*, const char*>> {
};

// Features, logits and every gradient of the summed cross entropy, as Python computes them.
TEST_P(PythonModelTest, ComputesWhatPythonComputes) {
  const auto [name, kind] = GetParam();
  const Tensors expected = ReadExpected(Path(absl::StrCat(name, ".expected.pt")));
  const at::Tensor inputs = expected.at("inputs");
  for (const std::string mode : {"eval", "train"}) {
    // Python's is another release of PyTorch. Batch norm over the four values of the last stages
    // amplifies rounding: its own results in single and in double precision differ by 2e-4 there in
    // ResNet-18's features, and gradients of the first layers of MobileNet by some per cent.
    const std::string network = name;
    const bool sensitive = mode == "train" && (network == "mobilenet_v2" || network == "resnet18");
    // LibTorch 1.13 differs from Python's by up to 14 % there.
    const float tolerance = !sensitive ? 5e-5f : TORCH_VERSION_MAJOR >= 2 ? 1e-1f : 2e-1f;
    auto model = Load(Path(absl::StrCat(name, ".", kind, ".pt")), {"", kImage});
    ASSERT_TRUE(model.ok()) << model.status();
    at::manual_seed(7);
    const ForwardResult result =
        (*model)->Forward(inputs, mode == "eval" ? Mode::kEvaluation : Mode::kTraining);
    EXPECT_LE(Difference(result.features, expected.at(mode + ":features")), tolerance) << mode;
    EXPECT_LE(Difference(result.logits, expected.at(mode + ":logits")), tolerance) << mode;
    if (mode == "eval") {
      EXPECT_EQ(Difference((*model)->ClassifyFeatures(result.features), result.logits), 0);
    }
    const at::Tensor labels = at::arange(inputs.size(0)) % 10;
    torch::nn::functional::cross_entropy(
        result.logits, labels,
        torch::nn::functional::CrossEntropyFuncOptions().reduction(torch::kSum))
        .backward();
    size_t checked = 0;
    for (const Parameter& parameter : (*model)->parameters()) {
      const at::Tensor& gradient = expected.at(absl::StrCat(mode, ":grad:", parameter.name));
      ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
      EXPECT_LE(Difference(parameter.tensor.grad(), gradient),
                tolerance * std::max(1.0f, gradient.abs().max().item<float>()))
          << mode << " " << parameter.name;
      ++checked;
    }
    EXPECT_GT(checked, 5u);
  }
}

// Python's module.eval() cannot reach the flags that a trace in training mode has baked in: for
// that kind only this loader can say what the saved file computes.
TEST_P(PythonModelTest, SavesWhatPythonLoads) {
  const auto [name, kind] = GetParam();
  auto model = Load(Path(absl::StrCat(name, ".", kind, ".pt")), {"", kImage});
  ASSERT_TRUE(model.ok()) << model.status();
  at::NoGradGuard no_grad;
  for (const Parameter& parameter : (*model)->parameters()) {
    at::Tensor(parameter.tensor).mul_(1.01);
  }
  (*model)->metadata()["mean"] = "0.5";
  const at::Tensor inputs = at::randn({3, 3, 32, 32});
  const at::Tensor logits = (*model)->Forward(inputs, Mode::kEvaluation).logits;
  ASSERT_TRUE((*model)->Save(ScratchPath("saved.pt")).ok());
  if (std::string(kind) != "trace_train") {
    const at::Tensor outputs = std::string(name) == "lenet" ? logits.log_softmax(1) : logits;
    WriteExpected(ScratchPath("saved.expected.pt"), {{"inputs", inputs}, {"logits", outputs}});
    EXPECT_TRUE(PythonModels().Run(
        absl::StrCat("check ", ScratchPath("saved.pt"), " ", ScratchPath("saved.expected.pt"))));
  }
  auto again = Load(ScratchPath("saved.pt"), {"", kImage});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->metadata().at("mean"), "0.5");
  EXPECT_EQ(Difference((*again)->Forward(inputs, Mode::kEvaluation).logits, logits), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Models, PythonModelTest,
    ::testing::Combine(::testing::Values("resnet18", "mobilenet_v2", "vgg11_bn", "vit", "lenet",
                                         "vision_transformer", "densenet", "group_norm",
                                         "viewed_head"),
                       ::testing::Values("script", "trace_eval", "trace_train")),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param), "_", std::get<1>(info.param));
    });

// The classifier alone makes the model's logits, whatever its graph asks for sizes.
TEST_F(CheckpointTest, ClassifiesFeaturesOfAnyNumberOfSamples) {
  for (const std::string name : {"group_norm.script", "viewed_head.script",
                                 "viewed_head.trace_eval", "scaled_head", "flattened"}) {
    auto model = Load(Path(name + ".pt"), {"", kImage});
    ASSERT_TRUE(model.ok()) << name << ": " << model.status();
    const at::NoGradGuard no_grad;
    const ForwardResult result = (*model)->Forward(at::randn({5, 3, 32, 32}), Mode::kEvaluation);
    const at::Tensor rows = result.features.slice(0, 1, 4);
    EXPECT_LE(Difference((*model)->ClassifyFeatures(rows), result.logits.slice(0, 1, 4)), 1e-5)
        << name;
    const size_t last = (*model)->levels().size() - 1;
    const at::Tensor level = (*model)->ForwardTo(last, at::ones({3, 3, 32, 32}), Mode::kEvaluation);
    EXPECT_EQ((*model)->ForwardFrom(last, level, Mode::kEvaluation).logits.size(0), 3) << name;
  }
}

// Training one parameter in place changes no other, and none of a copy.
TEST_F(CheckpointTest, TensorsHaveStoragesOfTheirOwn) {
  auto model = Load(Path("flattened.pt"), {"", kImage});
  ASSERT_TRUE(model.ok()) << model.status();
  const std::unique_ptr<Model> copy = (*model)->Clone();
  std::set<const void*> storages;
  for (const auto& state : {(*model)->StateDict(), copy->StateDict()}) {
    for (const auto& [name, tensor] : state) {
      EXPECT_TRUE(storages.insert(tensor.storage().data()).second) << name;
      EXPECT_EQ(tensor.storage().nbytes(), tensor.nbytes()) << name;
      EXPECT_FALSE(tensor.is_inference()) << name;
    }
  }
  const ForwardResult result = (*model)->Forward(at::randn({4, 3, 32, 32}), Mode::kTraining);
  result.logits.square().sum().backward();
  for (const Parameter& parameter : (*model)->parameters()) {
    EXPECT_TRUE(parameter.tensor.is_leaf()) << parameter.name;
    EXPECT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
  }
}

TEST_F(CheckpointTest, TiedWeightsStayTied) {
  auto model = Load(Path("tied.pt"), {"", {16}});
  ASSERT_TRUE(model.ok()) << model.status();
  const std::unique_ptr<Model> copy = (*model)->Clone();
  for (const Model* each :
       {static_cast<const Model*>(model->get()), static_cast<const Model*>(copy.get())}) {
    EXPECT_EQ(each->parameters().size(), 5u);  // the tied weight counts once
    const auto state = each->StateDict();
    EXPECT_EQ(state.at("first.weight").data_ptr(), state.at("second.weight").data_ptr());
  }
}

TEST_F(CheckpointTest, EvaluatesWhereNoClassifierIsFound) {
  const auto refused = Load(Path("choosing_head.pt"), {"", kImage});
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("no classifier layer found"));
  LoadOptions options{"", kImage};
  options.logits_only = true;
  auto model = Load(Path("choosing_head.pt"), options);
  ASSERT_TRUE(model.ok()) << model.status();
  EXPECT_EQ((*model)->num_classes(), 10);
  const at::NoGradGuard no_grad;
  const ForwardResult result = (*model)->Forward(at::randn({4, 3, 32, 32}), Mode::kEvaluation);
  EXPECT_EQ(result.logits.sizes(), at::IntArrayRef({4, 10}));
  EXPECT_EQ(Difference(result.features, result.logits), 0);
}

TEST_F(CheckpointTest, WarnsOfWhatItCannotRestore) {
  auto traced = Load(Path("lenet.trace_train.pt"), {"", kImage});
  ASSERT_TRUE(traced.ok()) << traced.status();
  const std::string warnings = absl::StrJoin((*traced)->warnings(), "\n");
  EXPECT_THAT(warnings, HasSubstr("log_softmax"));
  EXPECT_THAT(warnings, HasSubstr("traced"));
  auto scripted = Load(Path("resnet18.script.pt"), {"", kImage});
  EXPECT_TRUE((*scripted)->warnings().empty());
}

TEST_F(CheckpointTest, NamesLayersThatNormaliseOfEveryKind) {
  const std::map<std::string, std::vector<std::string>> expected = {
      {"group_norm", {"norm1", "norm2"}},
      {"vit", {"blocks.0.norm1", "blocks.0.norm2", "blocks.1.norm1", "blocks.1.norm2", "norm"}},
      {"lenet", {"bn"}}};
  for (const auto& [name, layers] : expected) {
    for (const char* kind : {"script", "trace_eval", "trace_train"}) {
      auto model = Load(Path(absl::StrCat(name, ".", kind, ".pt")), {"", kImage});
      ASSERT_TRUE(model.ok()) << model.status();
      std::vector<std::string> names;
      for (const NormalizationLayer& layer : (*model)->normalization_layers()) {
        names.push_back(layer.name);
        const auto state = (*model)->StateDict();
        EXPECT_EQ(layer.weight.data_ptr(), state.at(layer.name + ".weight").data_ptr());
        EXPECT_EQ(layer.bias.data_ptr(), state.at(layer.name + ".bias").data_ptr());
      }
      EXPECT_EQ(names, layers) << name << " " << kind;
    }
  }
}

TEST_F(CheckpointTest, BatchNormLayersAndTheirInputs) {
  for (const char* kind : {"script", "trace_eval", "trace_train"}) {
    auto model = Load(Path(absl::StrCat("resnet18.", kind, ".pt")), {"", kImage});
    ASSERT_TRUE(model.ok()) << model.status();
    const auto& layers = (*model)->batch_norm_layers();
    ASSERT_EQ(layers.size(), 20u);
    EXPECT_EQ(layers[0].name, "bn1");
    EXPECT_EQ(layers[1].name, "layer1.0.bn1");
    const at::Tensor inputs = at::randn({4, 3, 32, 32});
    at::NoGradGuard no_grad;
    const at::Tensor first = (*model)->BatchNormInput(0, inputs);
    const at::Tensor convolved =
        at::conv2d(inputs, (*model)->StateDict().at("conv1.weight"), {}, 2, 3);
    EXPECT_EQ(Difference(first, convolved), 0);
    // With each layer's statistics set to those of its own input, in order, evaluation computes
    // what batch statistics give, but for the unbiased variance.
    for (size_t i = 0; i < layers.size(); ++i) {
      const at::Tensor x = (*model)->BatchNormInput(i, inputs);
      at::Tensor(layers[i].running_mean).copy_(x.mean({0, 2, 3}));
      at::Tensor(layers[i].running_var).copy_(x.var({0, 2, 3}, /*unbiased=*/false));
    }
    const at::Tensor before = layers[3].running_mean.clone();
    const at::Tensor batch = (*model)->Forward(inputs, Mode::kBatchStatistics).logits;
    EXPECT_EQ(Difference(layers[3].running_mean, before), 0);
    EXPECT_LE(Difference((*model)->Forward(inputs, Mode::kEvaluation).logits, batch), 1e-4);
    (*model)->Forward(inputs, Mode::kTraining);
    EXPECT_GT(Difference(layers[3].running_mean, before), 0);
  }
}

TEST_F(CheckpointTest, StateDictsOfTorchvisionFitTheBuiltInResNets) {
  const Tensors expected18 = ReadExpected(Path("resnet18.expected.pt"));
  const Tensors expected50 = ReadExpected(Path("resnet50.expected.pt"));
  auto resnet18 = Load(Path("resnet18.pth"), {"resnet18", kImage});
  ASSERT_TRUE(resnet18.ok()) << resnet18.status();
  EXPECT_LE(Difference((*resnet18)->Forward(expected18.at("inputs"), Mode::kEvaluation).logits,
                       expected18.at("eval:logits")),
            1e-5);
  // {"state_dict": {"module.conv1.weight": ...}}
  auto resnet50 = Load(Path("resnet50.pth"), {"resnet50", kImage});
  ASSERT_TRUE(resnet50.ok()) << resnet50.status();
  EXPECT_LE(Difference((*resnet50)->Forward(expected50.at("inputs"), Mode::kEvaluation).logits,
                       expected50.at("eval:logits")),
            5e-5);
  EXPECT_EQ((*resnet50)->form(), CheckpointForm::kPickle);
}

TEST_F(CheckpointTest, SavesPickleThatPythonLoads) {
  auto model = Load(Path("resnet18.pth"), {"resnet18", kImage});
  ASSERT_TRUE(model.ok()) << model.status();
  ASSERT_TRUE((*model)->Save(ScratchPath("saved.pth")).ok());
  WriteExpected(ScratchPath("saved.expected.pt"), (*model)->StateDict());
  EXPECT_TRUE(PythonModels().Run(
      absl::StrCat("check ", ScratchPath("saved.pth"), " ", ScratchPath("saved.expected.pt"))));
}

TEST_F(CheckpointTest, RunsNothingOfAPickle) {
  auto model = Load(Path("malicious.pth"), {"resnet18", kImage});
  EXPECT_FALSE(std::filesystem::exists(Path("executed")));
  ASSERT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(model.status().message(), HasSubstr("system"));
}

TEST_F(CheckpointTest, RefusesWithAReason) {
  const auto message = [](const std::string& name, const LoadOptions& options) {
    auto model = Load(Path(name), options);
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << model.status();
    EXPECT_THAT(std::string(model.status().message()), Not(HasSubstr("\n")));
    return std::string(model.status().message());
  };
  EXPECT_THAT(message("legacy.pth", {"resnet50", kImage}), HasSubstr("missing conv1.weight"));
  EXPECT_THAT(message("printing.pt", {}), HasSubstr("prim::Print"));
  EXPECT_THAT(message("resnet18.pth", {"", kImage}), HasSubstr("needs the name"));
  EXPECT_THAT(message("resnet18.pth", {"resnet50", kImage}), HasSubstr("layer1.0.conv3.weight"));
  EXPECT_THAT(message("resnet18.pth", {"resnet18", {1, 32, 32}}),
              HasSubstr("conv1.weight has shape [64, 3, 7, 7] instead of [64, 1, 7, 7]"));
  const std::string shape = message("resnet18.script.pt", {"", {1, 28, 28}});
  EXPECT_THAT(shape, HasSubstr("[1, 28, 28]"));
  EXPECT_THAT(shape, HasSubstr("expected input"));
}

// A damaged file is refused, or its logits are those of the whole one; it never crashes.
TEST_F(CheckpointTest, FindsDamage) {
  for (const std::string name : {"small.pt", "small.pth"}) {
    const LoadOptions options{name == "small.pth" ? "mlp" : "", {}};
    const std::string whole = ReadBytes(name);
    for (size_t i = 0; i < 100; ++i) {
      const size_t length = whole.size() * i / 100;
      const auto model = LoadBytes(whole.substr(0, length), options);
      EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << length;
    }
  }
  const std::string whole = ReadBytes("small.pt");
  const at::Tensor inputs = at::ones({2, 4});
  const at::Tensor expected =
      (*LoadBytes(whole, {"", {4}}))->Forward(inputs, Mode::kEvaluation).logits;
  int refused = 0;
  for (size_t i = 0; i < 200; ++i) {
    std::string damaged = whole;
    const size_t position = whole.size() * i / 200;
    damaged[position] ^= 1 << (i % 8);
    auto model = LoadBytes(damaged, {"", {4}});
    if (!model.ok()) {
      EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << position;
      ++refused;
      continue;
    }
    EXPECT_EQ(Difference((*model)->Forward(inputs, Mode::kEvaluation).logits, expected), 0)
        << position;
  }
  EXPECT_GT(refused, 50);
}

TEST_F(CheckpointTest, NamesTheDamagedRecord) {
  auto model = Load(Path("small.pt"), {"", {4}});
  ASSERT_TRUE(model.ok());
  const at::Tensor weight = (*model)->StateDict().at("0.weight");
  const std::string value(static_cast<const char*>(weight.data_ptr()), weight.nbytes());
  std::string damaged = ReadBytes("small.pt");
  const size_t position = damaged.find(value);
  ASSERT_NE(position, std::string::npos);
  damaged[position + 2] ^= 1;
  EXPECT_THAT(std::string(LoadBytes(damaged, {"", {4}}).status().message()), HasSubstr("CRC-32"));
}

}  // namespace
}  // namespace acclimate::model
