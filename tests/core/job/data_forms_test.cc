// What a run makes of data as people store them, and what it says of data that are too poor.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/io/tensor_file.h"
#include "core/job/run.h"
#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::TestObserver;

// Vectors [12] of three classes, and an mlp trained on them.
const testing::World& FormVectors() {
  static const testing::World world("forms_vectors", "mlp", {12});
  return world;
}

const testing::World& FormPictures() {
  static const testing::World world("forms_pictures", "mlp", {2, 6, 4});
  return world;
}

// A dataset of its own, for one test.
std::shared_ptr<io::MappedFile> FormFile(const at::Tensor& inputs, const at::Tensor& labels,
                                         const std::map<std::string, std::string>& metadata = {}) {
  const std::string path = testing::NewFolder("data") + "/data.safetensors";
  std::map<std::string, at::Tensor> tensors = {{"inputs", inputs}};
  if (labels.defined()) tensors["labels"] = labels;
  EXPECT_TRUE(io::WriteSafetensors(path, tensors, metadata).ok());
  return OpenFile(path);
}

testing::Domain FormSamples(int64_t count = 60) {
  return testing::Shifted(testing::MakeDomain(count, {12}, 5));
}

json FormReport(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

std::string FormRefusal(const RunSpec& spec) {
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
  EXPECT_THAT(std::string(result.status().message()), Not(HasSubstr("\n")));
  return std::string(result.status().message());
}

std::vector<std::string> FormWarnings(const RunSpec& spec) {
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return observer.warnings;
}

TEST(DataFormsTest, MinusOneIsNoLabelOfATargetAndOfTheEvaluation) {
  const testing::Domain samples = FormSamples();
  const at::Tensor none = at::full({60}, -1, at::kLong);
  RunSpec spec = FormVectors().Spec("adabn");
  spec.target = spec.evaluation = FormFile(samples.inputs, none);
  EXPECT_THAT(FormWarnings(spec), Contains(HasSubstr("evaluation: not used; every label is -1")));
  EXPECT_FALSE(FormReport(spec).contains("adapted"));

  at::Tensor some = samples.labels.clone();
  some.slice(0, 0, 10).fill_(-1);
  spec = FormVectors().Spec("adabn");
  spec.evaluation = FormFile(samples.inputs, some);
  EXPECT_THAT(FormWarnings(spec),
              Contains(HasSubstr("evaluation: 10 of 60 labels are -1, which means "
                                 "none: those samples are left out")));
  EXPECT_EQ(FormReport(spec)["samples"]["evaluation"], 50);

  spec = FormVectors().Spec("finetune");
  spec.target = FormFile(samples.inputs, some);
  EXPECT_THAT(FormWarnings(spec), Contains(HasSubstr("target: 10 of 60 labels are -1")));
  EXPECT_EQ(FormReport(spec)["samples"]["target"], 50);

  spec.target = FormFile(samples.inputs, none);
  EXPECT_THAT(FormRefusal(spec), HasSubstr("target: has no labels: every one is -1"));
}

TEST(DataFormsTest, EveryFileAtFaultIsNamedAtOnce) {
  const testing::Domain samples = FormSamples();
  RunSpec spec = FormVectors().Spec("dann");
  spec.target = FormFile(samples.inputs.to(at::kInt), {});
  spec.sources = {FormFile(samples.inputs, at::eye(3).index_select(0, samples.labels))};
  spec.evaluation = FormFile(samples.inputs, {});
  EXPECT_THAT(FormRefusal(spec), AllOf(HasSubstr("sources[0]: "), HasSubstr("labels.argmax(1)"),
                                       HasSubstr("; target: "), HasSubstr("dtype int32"),
                                       HasSubstr("; evaluation: has no labels")));
}

TEST(DataFormsTest, LabelsFromOneAreToldSo) {
  const testing::Domain samples = FormSamples();
  RunSpec spec = FormVectors().Spec("finetune");
  spec.hyperparameters["head"] = "keep";
  spec.target = FormFile(samples.inputs, samples.labels + 1);
  EXPECT_THAT(FormRefusal(spec),
              AllOf(HasSubstr("the model has 3 classes"), HasSubstr("labels = labels - 1")));
  spec = FormVectors().Spec("finetune");
  spec.checkpoint = nullptr;
  spec.architecture = "mlp";
  spec.target = FormFile(samples.inputs, samples.labels + 1);
  EXPECT_THAT(FormRefusal(spec),
              AllOf(HasSubstr("no sample has the label 0"), HasSubstr("labels = labels - 1")));
  spec.num_classes = 4;
  TestObserver observer;
  EXPECT_TRUE(job::Run(spec, observer).ok());
}

TEST(DataFormsTest, ClassNamesTravelWithTheModelAndDecideTheNumbers) {
  const testing::Domain samples = FormSamples();
  RunSpec train = FormVectors().Spec("finetune");
  train.checkpoint = nullptr;
  train.architecture = "mlp";
  train.hyperparameters["epochs"] = int64_t{20};
  train.target =
      FormFile(samples.inputs, samples.labels, {{"class_names", R"(["cat", "cow", "dog"])"}});
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  EXPECT_THAT(FormReport(train)["class_names"], ElementsAre("cat", "cow", "dog"));
  RunSpec evaluate = FormVectors().Spec("evaluate");
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  // The same classes under other numbers.
  evaluate.target =
      FormFile(samples.inputs, 2 - samples.labels, {{"class_names", R"(["dog", "cow", "cat"])"}});
  const absl::StatusOr<RunResult> result = job::Run(evaluate, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.9);
  evaluate.target =
      FormFile(samples.inputs, samples.labels, {{"class_names", R"(["cat", "cow", "emu"])"}});
  EXPECT_THAT(FormRefusal(evaluate), AllOf(HasSubstr("is \"emu\""), HasSubstr("cat, cow, dog")));
}

TEST(DataFormsTest, OtherClassesGetANewHead) {
  const testing::Domain more = testing::MakeDomain(80, {12}, 5, 5);
  RunSpec spec = FormVectors().Spec("finetune");
  spec.target = FormFile(more.inputs, more.labels);
  EXPECT_THAT(FormWarnings(spec),
              Contains(AllOf(HasSubstr("the classifier layer is new: the data have "
                                       "5 classes, the model had 3"),
                             HasSubstr("head=keep"))));
  EXPECT_EQ(ReadTensors(spec.output_directory + "/model.safetensors").at("fc.weight").size(0), 5);
  EXPECT_FALSE(FormReport(spec).contains("source_only"));
  spec.hyperparameters["head"] = "keep";
  EXPECT_THAT(FormRefusal(spec), HasSubstr("the model has 3 classes"));

  const testing::Domain same = FormSamples();
  spec = FormVectors().Spec("finetune");
  EXPECT_THAT(FormWarnings(spec), Not(Contains(HasSubstr("classifier layer"))));
  spec.target = FormFile(same.inputs, same.labels.clamp_max(1));
  EXPECT_THAT(FormWarnings(spec), Contains(HasSubstr("its classifier layer is kept")));
  EXPECT_EQ(ReadTensors(spec.output_directory + "/model.safetensors").at("fc.weight").size(0), 3);
  spec.hyperparameters["head"] = "new";
  spec.evaluation = nullptr;  // its classes are the three of before
  EXPECT_THAT(FormWarnings(spec), Contains(HasSubstr("the classifier layer is new")));
  EXPECT_EQ(ReadTensors(spec.output_directory + "/model.safetensors").at("fc.weight").size(0), 2);
}

TEST(DataFormsTest, SamplesInAnotherOrderOfAxesAreRefused) {
  RunSpec train = FormPictures().Spec("finetune");
  const testing::Domain pictures = testing::MakeDomain(60, {2, 6, 4}, 3);
  train.target = FormFile(pictures.inputs, pictures.labels);
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  RunSpec evaluate = FormPictures().Spec("evaluate");
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  const at::Tensor last = pictures.inputs.permute({0, 2, 3, 1}).contiguous();
  evaluate.target = FormFile(last, pictures.labels);
  EXPECT_THAT(FormRefusal(evaluate),
              AllOf(HasSubstr("target: the samples have shape [6, 4, 2], those of the model [2, 6, "
                              "4]"),
                    HasSubstr("inputs.transpose(0, 3, 1, 2)")));
  evaluate.target = FormFile(pictures.inputs.flatten(1), pictures.labels);
  EXPECT_THAT(FormWarnings(evaluate), Not(Contains(HasSubstr("shape"))));
  evaluate.target = FormFile(pictures.inputs.clamp(0, 255).to(at::kByte), pictures.labels);
  EXPECT_THAT(FormWarnings(evaluate), Contains(HasSubstr("the model was made with float32")));
}

TEST(DataFormsTest, PoorDataAreSaid) {
  const testing::Domain samples = FormSamples();
  RunSpec few = FormVectors().Spec("adabn");
  few.target = FormFile(samples.inputs.slice(0, 0, 9), {});
  EXPECT_THAT(FormWarnings(few), Contains(HasSubstr("target: 9 samples, under 16")));
  RunSpec equal = FormVectors().Spec("adabn");
  equal.target = FormFile(at::ones({1200, 12}), {});
  EXPECT_THAT(FormWarnings(equal), Contains(HasSubstr("target: all 1200 samples are equal")));
  RunSpec lacking = FormVectors().Spec("dann");
  lacking.sources = {FormFile(samples.inputs, samples.labels.clamp_max(1))};
  EXPECT_THAT(FormWarnings(lacking), Contains(HasSubstr("sources: no sample of class 2")));
  RunSpec one = FormVectors().Spec("finetune");
  one.hyperparameters["head"] = "keep";
  one.target = FormFile(samples.inputs, at::ones({60}, at::kLong));
  EXPECT_THAT(FormWarnings(one),
              Contains(HasSubstr("target: every label is 1: the model will learn")));
  const std::vector<std::string> usual = FormWarnings(FormVectors().Spec("dann"));
  for (const char* word : {"equal", "no sample of class", "samples, under"}) {
    EXPECT_THAT(usual, Not(Contains(HasSubstr(word))));
  }
}

}  // namespace
}  // namespace acclimate::job
