// Programs of torch.export made by Python at test time: what they compute, and what Python makes of
// those that are given back.
#include <gmock/gmock.h>
#include <torch/version.h>

#include <tuple>

#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/model/mixture.h"
#include "tests/core/model/exported_fixture.h"
#include "tests/core/model/python_files.h"

namespace acclimate::model {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// Those of exported_models.py.
PythonFiles& ExportedModels() {
  static PythonFiles files("exported_models", ACCLIMATE_PYTHON,
                           [] { return std::filesystem::exists(ACCLIMATE_PYTHON); });
  return files;
}

class ExportedPythonTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ExportedModels().available()) {
      GTEST_SKIP() << "no Python with torch at " << ACCLIMATE_PYTHON;
    }
  }
  static std::string Path(const std::string& name) { return ExportedModels().Path(name); }
  static std::string ScratchPath(const std::string& name) {
    return ExportedModels().ScratchPath(name);
  }
  static std::unique_ptr<Model> Loaded(const std::string& name) {
    auto model = Load(Path(name), {"", ExportedSampleShape()});
    EXPECT_TRUE(model.ok()) << model.status();
    return model.ok() ? *std::move(model) : nullptr;
  }
  static std::string Refusal(const std::string& name) {
    auto model = Load(Path(name), {"", ExportedSampleShape()});
    EXPECT_EQ(model.status().code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(model.status().message()), Not(HasSubstr("\n")));
    return std::string(model.status().message());
  }
  // Fails unless Python loads the saved program and gets the model's logits and tensors.
  static void ExpectPythonLoads(Model* model, const std::string& path, bool softmax) {
    const at::NoGradGuard no_grad;
    std::map<std::string, at::Tensor> expected;
    for (const auto& [name, tensor] : model->StateDict()) {
      expected["state:" + name] = tensor.clone();  // a forward pass may change it
    }
    const at::Tensor inputs = at::randn({7, 1, 12, 12});
    const at::Tensor logits = model->Forward(inputs, Mode::kEvaluation).logits;
    expected["inputs"] = inputs;
    expected["logits"] = softmax ? logits.softmax(1) : logits;
    ASSERT_TRUE(io::WriteSafetensors(ScratchPath("expected.safetensors"), expected).ok());
    EXPECT_TRUE(ExportedModels().Run(
        absl::StrCat("check ", path, " ", ScratchPath("expected.safetensors"))));
  }
};

class ExportedModelTest : public ExportedPythonTest,
                          public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ExportedPythonTest::SetUp();
    if (TORCH_VERSION_MAJOR < 2 && Named("encoder_core")) {
      GTEST_SKIP() << "LibTorch " << TORCH_VERSION << " has no squeeze over several dimensions";
    }
  }
  bool Named(const char* part) const { return absl::StrContains(GetParam(), part); }
  bool HasDropout() const {
    const std::string name = GetParam();
    return name == "cnn" || name == "transformer" || (InTraining() && !Named("resnet"));
  }
  bool InTraining() const { return Named("training") || Named("attention"); }
};

TEST_P(ExportedModelTest, ComputesWhatPythonComputes) {
  const std::string name = GetParam();
  const Tensors expected = ReadTensorFile(Path(name + ".expected.safetensors"));
  for (const Mode mode : {Mode::kEvaluation, Mode::kTraining}) {
    // With dropout the draws are compared with TorchScript's, below.
    if (mode == Mode::kTraining && HasDropout()) continue;
    auto model = Load(Path(name + ".pt2"));  // no forward pass before: it may change buffers
    ASSERT_TRUE(model.ok()) << model.status();
    ExpectWhatPythonComputes(model->get(), expected, mode);
  }
}

TEST_P(ExportedModelTest, IsEqualToTorchScriptOfTheSameNetwork) {
  const std::string name = GetParam();
  const at::Tensor inputs = at::randn({6, 1, 12, 12});
  for (const Mode mode : {Mode::kEvaluation, Mode::kTraining, Mode::kBatchStatistics}) {
    const auto exported = Loaded(name + ".pt2");
    const auto scripted = Loaded(name + ".pt");
    ASSERT_TRUE(exported != nullptr && scripted != nullptr);
    ForwardResult results[2];
    for (int i : {0, 1}) {
      at::manual_seed(7);  // the same draws of dropout
      results[i] = ForwardAndBackward(i == 0 ? exported.get() : scripted.get(), inputs, mode);
    }
    const int number = static_cast<int>(mode);
    // Decomposed attention multiplies in another order.
    const float tolerance = Named("former_core") || Named("encoder") ? 1e-5 : 0;
    EXPECT_LE(Difference(results[0].features, results[1].features), tolerance) << number;
    EXPECT_LE(Difference(results[0].logits, results[1].logits), tolerance) << number;
    std::map<std::string, at::Tensor> gradients;
    for (const Parameter& parameter : scripted->parameters()) {
      gradients[parameter.name] = parameter.tensor.grad();
    }
    EXPECT_EQ(exported->parameters().size(), gradients.size());
    for (const Parameter& parameter : exported->parameters()) {
      ASSERT_EQ(gradients.count(parameter.name), 1u) << parameter.name;
      const at::Tensor& gradient = gradients.at(parameter.name);
      ASSERT_EQ(parameter.tensor.grad().defined(), gradient.defined()) << parameter.name;
      if (!gradient.defined()) continue;
      EXPECT_LE(Difference(parameter.tensor.grad(), gradient), 10 * tolerance) << parameter.name;
    }
    const auto state = exported->StateDict();
    for (const auto& [buffer, tensor] : scripted->StateDict()) {
      ASSERT_EQ(state.count(buffer), 1u) << buffer;
      EXPECT_EQ(Difference(state.at(buffer), tensor), 0) << number << " " << buffer;
    }
  }
}

TEST_P(ExportedModelTest, HasTheSameRolesAsTorchScript) {
  const std::string name = GetParam();
  const auto exported = Loaded(name + ".pt2");
  const auto scripted = Loaded(name + ".pt");
  ASSERT_TRUE(exported != nullptr && scripted != nullptr);
  const auto roles = [](const Model& model) {
    std::map<std::string, std::pair<bool, bool>> roles;
    for (const Parameter& p : model.parameters()) roles[p.name] = {p.head, p.batch_norm};
    return roles;
  };
  EXPECT_EQ(roles(*exported), roles(*scripted));
  const auto layers = [](const Model& model) {
    std::vector<std::string> names;
    for (const BatchNormLayer& layer : model.batch_norm_layers()) names.push_back(layer.name);
    return names;
  };
  EXPECT_EQ(layers(*exported), layers(*scripted));
  const auto normalizations = [](const Model& model) {
    std::vector<std::string> names;
    for (const NormalizationLayer& layer : model.normalization_layers()) {
      names.push_back(layer.name);
    }
    return names;
  };
  EXPECT_EQ(normalizations(*exported), normalizations(*scripted));
  EXPECT_EQ(exported->num_classes(), 3);
  EXPECT_EQ(exported->feature_size(), scripted->feature_size());
  // Levels are in the same places, at least; but the decomposed encoder's projections are products
  // of batches, which are no layers.
  if (!Named("encoder_core")) {
    EXPECT_GE(exported->levels().size(), scripted->levels().size());
  }
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = at::randn({4, 1, 12, 12});
  for (size_t level = 0; level < exported->levels().size(); ++level) {
    const at::Tensor middle = exported->ForwardTo(level, inputs, Mode::kEvaluation);
    EXPECT_EQ(Difference(exported->ForwardFrom(level, middle, Mode::kEvaluation).logits,
                         exported->Forward(inputs, Mode::kEvaluation).logits),
              0)
        << level;
  }
}

TEST_P(ExportedModelTest, SavesWhatPythonLoads) {
  const std::string name = GetParam();
  const auto model = Loaded(name + ".pt2");
  const at::NoGradGuard no_grad;
  for (const Parameter& parameter : model->parameters()) {
    at::Tensor(parameter.tensor).mul_(1.01);
  }
  model->metadata()["mean"] = "0.5";
  const std::string path = ScratchPath("saved.pt2");
  ASSERT_TRUE(model->Clone()->Save(path).ok());
  // A program that was exported in training mode computes that in Python.
  if (!InTraining()) ExpectPythonLoads(model.get(), path, Named("transformer"));
  auto again = Load(path, {"", ExportedSampleShape()});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->metadata().at("mean"), "0.5");
  const at::Tensor inputs = at::randn({6, 1, 12, 12});
  EXPECT_EQ(Difference((*again)->Forward(inputs, Mode::kEvaluation).logits,
                       model->Forward(inputs, Mode::kEvaluation).logits),
            0);
  // And once more, with other notes: no record piles up.
  (*again)->metadata()["mean"] = "0.25";
  ASSERT_TRUE((*again)->Save(ScratchPath("again.pt2")).ok());
  EXPECT_EQ(std::filesystem::file_size(ScratchPath("again.pt2")),
            std::filesystem::file_size(path) + 1);
  if (!InTraining()) {
    ExpectPythonLoads(again->get(), ScratchPath("again.pt2"), Named("transformer"));
  }
}

TEST_P(ExportedModelTest, BecomesAMixtureInTorchScript) {
  // A mixture of a network that ends with softmax does not load, in whatever form the network came.
  if (Named("attention") || Named("transformer")) GTEST_SKIP() << "ends with softmax";
  const auto model = Loaded(absl::StrCat(GetParam(), ".pt2"));
  auto mixture = MakeMixture(*model, 2);
  ASSERT_TRUE(mixture.ok()) << mixture.status();
  ASSERT_TRUE((*mixture)->Save(ScratchPath("mixture.pt")).ok());
  auto again = Load(ScratchPath("mixture.pt"), {"", ExportedSampleShape()});
  ASSERT_TRUE(again.ok()) << again.status();
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = at::randn({6, 1, 12, 12});
  for (const Mode mode : {Mode::kEvaluation, Mode::kBatchStatistics}) {
    EXPECT_EQ(Difference((*again)->Forward(inputs, mode).logits,
                         (*mixture)->Forward(inputs, mode).logits),
              0);
  }
}

INSTANTIATE_TEST_SUITE_P(Models, ExportedModelTest,
                         ::testing::Values("cnn", "cnn_training", "cnn_core", "cnn_training_core",
                                           "attention", "transformer", "transformer_training",
                                           "transformer_core", "encoder", "encoder_training",
                                           "encoder_core", "resnet", "resnet_core",
                                           "resnet_training_core", "odd", "odd_core"),
                         [](const auto& info) { return std::string(info.param); });

TEST_F(ExportedPythonTest, InputsWithoutEffectAreLeftOut) {
  const auto model = Loaded("flagged.pt2");
  EXPECT_EQ(model->Forward(at::randn({4, 1, 12, 12}), Mode::kEvaluation).logits.size(0), 4);
  EXPECT_THAT(Refusal("masked.pt2"), HasSubstr("\"mask\" of different shapes"));
}

TEST_F(ExportedPythonTest, SeveralInputsOfWholeNumbersTravelInOneTensor) {
  const auto expected =
      io::ReadSafetensors(*io::MappedFile::Open(Path("tokens.expected.safetensors")));
  ASSERT_TRUE(expected.ok()) << expected.status();
  const at::Tensor ids = expected->tensors.at("input_ids");
  const at::Tensor mask = expected->tensors.at("attention_mask");
  const at::Tensor packed = at::stack({ids, mask}, 1).to(at::kFloat);
  for (const char* form : {"tokens.pt2", "tokens.pt"}) {
    SCOPED_TRACE(form);
    const auto file = io::MappedFile::Open(Path(form));
    const auto inputs = ReadModelInputs(*file);
    ASSERT_TRUE(inputs.ok()) << inputs.status();
    ASSERT_EQ(inputs->size(), 2u);
    EXPECT_EQ((*inputs)[0].name, "input_ids");
    EXPECT_EQ((*inputs)[0].type, at::kLong);
    EXPECT_EQ((*inputs)[0].vocabulary, 50);
    EXPECT_EQ((*inputs)[1].name, "attention_mask");
    auto model = Load(Path(form), {"", {2, 12}});
    ASSERT_TRUE(model.ok()) << model.status();
    const at::NoGradGuard no_grad;
    const auto logits = [&](Model& of) { return of.Forward(packed, Mode::kEvaluation).logits; };
    EXPECT_TRUE(logits(**model).allclose(expected->tensors.at("logits"), 1e-4, 1e-5));
    EXPECT_TRUE(logits(*(*model)->Clone()).allclose(logits(**model)));
    // The mask counts.
    const at::Tensor all = at::stack({ids, at::ones_like(mask)}, 1).to(at::kFloat);
    EXPECT_FALSE((*model)->Forward(all, Mode::kEvaluation).logits.allclose(logits(**model)));
    ASSERT_TRUE((*model)->Save(ScratchPath(form)).ok());
    auto again = Load(ScratchPath(form), {"", {2, 12}});
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(logits(**again).allclose(logits(**model)));
  }
}

TEST_F(ExportedPythonTest, AHalfProgramComputesInFloatAndIsGivenBackHalf) {
  const auto expected =
      io::ReadSafetensors(*io::MappedFile::Open(Path("half.expected.safetensors")));
  ASSERT_TRUE(expected.ok()) << expected.status();
  const auto model = Loaded("half.pt2");
  EXPECT_THAT(absl::StrJoin(model->warnings(), "\n"), HasSubstr("float16"));
  const at::NoGradGuard no_grad;
  const at::Tensor inputs = expected->tensors.at("inputs");
  const auto logits = [&](Model& of) { return of.Forward(inputs, Mode::kEvaluation).logits; };
  EXPECT_LE(Difference(logits(*model), expected->tensors.at("logits")), 1e-5);
  ASSERT_TRUE(model->Save(ScratchPath("half.pt2")).ok());
  const std::string bytes = ReadFileBytes(Path("half.pt2"));
  EXPECT_NEAR(static_cast<double>(ReadFileBytes(ScratchPath("half.pt2")).size()),
              static_cast<double>(bytes.size()), 0.1 * static_cast<double>(bytes.size()));
  auto again = Load(ScratchPath("half.pt2"), {"", {1, 12, 12}});
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(Difference(logits(**again), logits(*model)), 0);
}

TEST_F(ExportedPythonTest, TheFirstOfSeveralOutputsCounts) {
  EXPECT_EQ(Loaded("several.pt2")->num_classes(), 3);
}

TEST_F(ExportedPythonTest, TakesAnyBatchWhereTheBatchHasNoName) {
  const auto model = Loaded("unnamed.pt2");
  EXPECT_EQ(model->Forward(at::randn({9, 1, 12, 12}), Mode::kEvaluation).logits.size(0), 9);
  for (const int64_t count : {1, 2, 4}) {
    EXPECT_THAT(Refusal(absl::StrCat("fixed", count, ".pt2")),
                HasSubstr(absl::StrCat("batches of exactly ", count, " samples")));
  }
}

TEST_F(ExportedPythonTest, HigherOrderOperatorsAreRefused) {
  EXPECT_THAT(Refusal("branching.pt2"),
              ::testing::AllOf(HasSubstr("higher-order operator torch.ops.higher_order.cond"),
                               HasSubstr("LibTorch")));
}

TEST_F(ExportedPythonTest, TiedWeightsStayTied) {
  for (const char* name : {"odd.pt2", "odd_core.pt2"}) {
    const auto model = Loaded(name)->Clone();
    const auto state = model->StateDict();
    EXPECT_EQ(state.at("first.weight").data_ptr(), state.at("second.weight").data_ptr());
    const at::NoGradGuard no_grad;
    const at::Tensor inputs = at::randn({3, 1, 12, 12});
    const at::Tensor halved = state.at("first.weight") * 0.5;
    const at::Tensor with =
        model->ForwardWith({{"first.weight", halved}}, inputs, Mode::kEvaluation).logits;
    at::Tensor(state.at("first.weight")).mul_(0.5);
    EXPECT_EQ(Difference(with, model->Forward(inputs, Mode::kEvaluation).logits), 0);
  }
}

TEST_F(ExportedPythonTest, SaysWhatItCannotRestore) {
  const auto warnings = [](const std::string& name) {
    return absl::StrJoin(Loaded(name)->warnings(), "\n");
  };
  for (const char* name :
       {"cnn_training.pt2", "cnn_training_core.pt2", "transformer_training.pt2"}) {
    EXPECT_THAT(warnings(name), HasSubstr("exported in training mode")) << name;
  }
  for (const char* name : {"cnn.pt2", "cnn_core.pt2", "transformer.pt2"}) {
    EXPECT_THAT(warnings(name), Not(HasSubstr("exported in training mode"))) << name;
  }
  EXPECT_THAT(warnings("transformer.pt2"), HasSubstr("softmax"));
  EXPECT_THAT(warnings("transformer_core.pt2"), HasSubstr("softmax"));
  EXPECT_THAT(warnings("transformer_core.pt2"), HasSubstr("took dropout out"));
  EXPECT_THAT(Loaded("flagged.pt2")->warnings(), IsEmpty());
}

}  // namespace
}  // namespace acclimate::model
