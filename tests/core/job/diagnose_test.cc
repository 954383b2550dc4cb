// The verdict on domains that were made to differ in a known way, from files to report.json.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/job/synthetic.h"

namespace acclimate::job {
namespace {

using nlohmann::json;
using ::testing::Contains;
using testing::Domain;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using testing::OpenFile;
using testing::ReadTensors;
using testing::ReadText;
using testing::Shifted;
using testing::TestObserver;
using testing::World;
using testing::WriteDomain;

constexpr int64_t kSamples = 600;

const World& DiagnosedWorld() {
  static const auto* const kWorld = new World("diagnose_test", "mlp", {12});
  return *kWorld;
}

std::shared_ptr<io::MappedFile> FileOf(const Domain& domain) {
  const std::string path = NewFolder("domain") + "/domain.safetensors";
  WriteDomain(path, domain);
  return OpenFile(path);
}

Domain Source() { return MakeDomain(kSamples, {12}, 21); }
Domain Fresh() { return MakeDomain(kSamples, {12}, 22); }

// The classes' shares become 60, 30 and 10 %.
Domain WithOtherShares(const Domain& domain) {
  std::vector<at::Tensor> rows;
  const int64_t counts[] = {180, 90, 30};
  for (int64_t c = 0; c < 3; ++c) {
    rows.push_back(domain.labels.eq(c).nonzero().squeeze(1).narrow(0, 0, counts[c]));
  }
  const at::Tensor index = at::cat(rows);
  return {domain.inputs.index_select(0, index), domain.labels.index_select(0, index)};
}

// Classes 0 and 1 change their names; class 2 keeps its.
Domain WithOtherMeaning(Domain domain) {
  domain.labels = at::where(domain.labels.lt(2), 1 - domain.labels, domain.labels);
  return domain;
}

RunSpec SpecOf(const std::string& method, const Domain& target) {
  RunSpec spec = DiagnosedWorld().Spec(method);
  spec.inputs.clear();  // each test gives its own
  spec.sources = {FileOf(Source())};
  spec.target = FileOf({target.inputs, {}});
  return spec;
}

json DiagnosisReportOf(const RunSpec& spec) {
  TestObserver observer;
  const absl::StatusOr<RunResult> result = job::Run(spec, observer);
  EXPECT_TRUE(result.ok()) << result.status();
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

json VerdictOn(const Domain& target, const Domain* probe = nullptr) {
  RunSpec spec = SpecOf("diagnose", target);
  if (probe != nullptr) spec.inputs["probe"] = FileOf(*probe);
  const json diagnosis = DiagnosisReportOf(spec)["diagnosis"];
  SCOPED_TRACE(diagnosis.dump(1));
  EXPECT_EQ(diagnosis["matrix"]["values"].size(), diagnosis["matrix"]["places"].size());
  EXPECT_EQ(diagnosis["matrix"]["places"].front(), "inputs");
  EXPECT_EQ(diagnosis["matrix"]["places"].back(), "logits");
  return diagnosis["verdict"];
}

TEST(DiagnoseTest, NoShift) {
  const json verdict = VerdictOn(Fresh());
  EXPECT_EQ(verdict["kind"], "none") << verdict.dump(1);
  EXPECT_TRUE(verdict["methods_that_fit"].empty());
  EXPECT_LT(verdict["ben_david"]["divergence"], 0.1);
}

TEST(DiagnoseTest, CovariateShift) {
  const json verdict = VerdictOn(Shifted(Fresh()));
  EXPECT_EQ(verdict["kind"], "covariate") << verdict.dump(1);
  EXPECT_EQ(verdict["strength"], "strong");
  EXPECT_THAT(verdict["methods_that_fit"], Contains("shot"));
  EXPECT_GT(verdict["ben_david"]["divergence"], 0.7);
}

TEST(DiagnoseTest, LabelShift) {
  const json verdict = VerdictOn(WithOtherShares(Fresh()));
  EXPECT_EQ(verdict["kind"], "label") << verdict.dump(1);
  bool told = false;
  for (const json& method : verdict["methods_that_cannot"]) {
    if (method["name"] != "dann") continue;
    EXPECT_THAT(std::string(method["reason"]), HasSubstr("mixes classes"));
    told = true;
  }
  EXPECT_TRUE(told);
}

TEST(DiagnoseTest, ConceptShiftIsSeenWithLabelsAndUnknownWithout) {
  const Domain target = WithOtherMeaning(Fresh());
  const Domain probe = WithOtherMeaning(MakeDomain(40, {12}, 23));
  const json without = VerdictOn(target);
  EXPECT_EQ(without["kind"], "none");
  EXPECT_THAT(std::string(without["ben_david"]["cannot_be_known"].back()), HasSubstr("p(y|x)"));
  const json with = VerdictOn(target, &probe);
  EXPECT_EQ(with["kind"], "concept") << with.dump(1);
  EXPECT_THAT(with["methods_that_fit"], Contains("concept_shift"));
  const Domain right = MakeDomain(40, {12}, 23);
  EXPECT_EQ(VerdictOn(Fresh(), &right)["kind"], "none");
}

// Labels under a covariate shift: the model is wrong, but not because the concept moved.
TEST(DiagnoseTest, LabelsFarFromTheSourceDoNotMakeAConceptShift) {
  const Domain probe = Shifted(MakeDomain(40, {12}, 23));
  const json verdict = VerdictOn(Shifted(Fresh()), &probe);
  EXPECT_EQ(verdict["kind"], "covariate") << verdict.dump(1);
}

TEST(DiagnoseTest, RanksCheckpoints) {
  RunSpec train = DiagnosedWorld().Spec("finetune");  // on little of the source: a poorer model
  train.target = FileOf(MakeDomain(30, {12}, 24));
  train.checkpoint = nullptr;
  train.architecture = "mlp";
  train.hyperparameters["epochs"] = int64_t{1};
  DiagnosisReportOf(train);
  RunSpec spec = SpecOf("diagnose", Fresh());
  spec.inputs["candidate_1"] = OpenFile(train.output_directory + "/model.safetensors");
  const json scores = DiagnosisReportOf(spec)["diagnosis"]["transferability"];
  EXPECT_EQ(scores["labels_of"], "sources");
  ASSERT_EQ(scores["models"].size(), 2u);
  EXPECT_EQ(scores["models"][0]["model"], "checkpoint");
  EXPECT_EQ(scores["models"][1]["model"], "candidate_1");
  EXPECT_GT(scores["models"][0]["leep"], scores["models"][1]["leep"]);
  EXPECT_GT(scores["models"][0]["logme"], scores["models"][1]["logme"]);
}

TEST(DiagnoseTest, SaysWhatIsWrongWithItsInputs) {
  RunSpec spec = SpecOf("diagnose", Fresh());
  spec.inputs["probe"] = FileOf(MakeDomain(40, {13}, 23));
  TestObserver observer;
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("inputs[\"probe\"]: samples have shape [13]"));
  spec = SpecOf("diagnose", MakeDomain(10, {12}, 1));
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("target: has 10 samples"));
}

TEST(ConceptShiftTest, AsksForDistinctSamplesAndSavesThem) {
  RunSpec spec = SpecOf("concept_shift", Fresh());
  spec.hyperparameters["requests"] = int64_t{12};
  const json found = DiagnosisReportOf(spec)["concept_shift"];
  const auto file = ReadTensors(spec.output_directory + "/active_request.safetensors");
  const at::Tensor indices = file.at("indices");
  ASSERT_EQ(indices.sizes(), at::IntArrayRef({12}));
  EXPECT_EQ(std::get<0>(at::_unique(indices)).size(0), 12);
  EXPECT_EQ(found["requested_labels"].size(), 12u);
  EXPECT_EQ(found["requested_labels"][3], indices[3].item<int64_t>());
  EXPECT_TRUE(indices.lt(kSamples).all().item<bool>());
  EXPECT_THAT(std::string(found["sentence"]), HasSubstr("cannot be excluded"));
  // They come from every class: a request that asks for one kind only tells little.
  EXPECT_EQ(std::get<0>(at::_unique(Fresh().labels.index_select(0, indices))).size(0), 3);
}

TEST(ConceptShiftTest, LabelsProveIt) {
  RunSpec spec = SpecOf("concept_shift", Fresh());
  spec.inputs["labelled"] = FileOf(WithOtherMeaning(MakeDomain(40, {12}, 23)));
  json found = DiagnosisReportOf(spec)["concept_shift"];
  EXPECT_THAT(std::string(found["sentence"]), HasSubstr("The concept moved"));
  EXPECT_LT(found["labels"]["p_value"], 0.01);
  spec = SpecOf("concept_shift", Fresh());
  spec.inputs["labelled"] = FileOf(MakeDomain(40, {12}, 23));
  found = DiagnosisReportOf(spec)["concept_shift"];
  EXPECT_THAT(std::string(found["sentence"]), HasSubstr("agree"));
}

// Where the given labels contradict the model, more are asked for.
TEST(ConceptShiftTest, AsksWhereLabelsContradict) {
  RunSpec spec = SpecOf("concept_shift", Fresh());
  spec.hyperparameters["requests"] = int64_t{20};
  spec.inputs["labelled"] = FileOf(WithOtherMeaning(MakeDomain(60, {12}, 23)));
  DiagnosisReportOf(spec);
  const at::Tensor indices =
      ReadTensors(spec.output_directory + "/active_request.safetensors").at("indices");
  const at::Tensor asked = Fresh().labels.index_select(0, indices);
  EXPECT_GE(asked.lt(2).sum().item<int64_t>(), 16) << asked;
}

TEST(ConceptShiftTest, WithoutSourcesSaysWhatCannotBeTold) {
  RunSpec spec = SpecOf("concept_shift", Fresh());
  spec.sources.clear();
  spec.inputs["labelled"] = FileOf(WithOtherMeaning(MakeDomain(40, {12}, 23)));
  EXPECT_THAT(std::string(DiagnosisReportOf(spec)["concept_shift"]["sentence"]),
              HasSubstr("domain or the concept"));
}

}  // namespace
}  // namespace acclimate::job
