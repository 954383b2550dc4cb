#include "core/job/normalization.h"

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
using ::testing::Contains;
using testing::Domain;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::MakeDomain;
using testing::NewFolder;
using ::testing::Not;
using testing::OpenFile;
using testing::ReadText;
using testing::TestObserver;
using testing::World;
using testing::WriteDomain;

// Features whose scales are powers of ten, as those of tables are.
Domain Table(int64_t samples, uint64_t seed) {
  Domain domain = MakeDomain(samples, {4}, seed);
  domain.inputs = domain.inputs * at::tensor({1.0, 10.0, 100.0, 1000.0}) + 500;
  return domain;
}

// Trains an mlp on such a table.
RunSpec TrainingOnTable(const Domain& domain, const std::string& name) {
  const std::string folder = NewFolder(name);
  WriteDomain(folder + "/table.safetensors", domain);
  RunSpec spec;
  spec.method = "finetune";
  spec.architecture = "mlp";
  spec.target = OpenFile(folder + "/table.safetensors");
  spec.hyperparameters = {{"epochs", int64_t{10}}, {"batch_size", int64_t{16}}};
  spec.output_directory = folder;
  return spec;
}

json WrittenReport(const RunSpec& spec) {
  return json::parse(ReadText(spec.output_directory + "/report.json"));
}

TEST(NormalizationTest, ANewNetworkOnATableIsTrainedOnNormalisedFeatures) {
  const RunSpec train = TrainingOnTable(Table(200, 1), "auto");
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("each of 4 features of the target")));
  const json normalization = WrittenReport(train)["normalization"];
  EXPECT_EQ(normalization["from"], "measured");
  ASSERT_EQ(normalization["mean"].size(), 4u);
  EXPECT_NEAR(normalization["mean"][3].get<double>(),
              Table(200, 1).inputs.select(1, 3).mean().item<double>(), 1);

  // Kept with the model: the raw table evaluates well, without a word of normalisation.
  RunSpec evaluate;
  evaluate.method = "evaluate";
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  evaluate.target = train.target;
  evaluate.output_directory = NewFolder("evaluated");
  TestObserver quiet;
  const absl::StatusOr<RunResult> result = job::Run(evaluate, quiet);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(result->metrics.at("accuracy"), 0.8);
  EXPECT_THAT(quiet.warnings, Each(Not(HasSubstr("normalization"))));
  EXPECT_EQ(WrittenReport(evaluate)["normalization"]["from"], "checkpoint");
  evaluate.normalization.mode = "auto";  // what is recorded, not this file's own
  ASSERT_TRUE(job::Run(evaluate, quiet).ok());
  EXPECT_EQ(WrittenReport(evaluate)["normalization"]["mean"], normalization["mean"]);
  evaluate.normalization.mode = "none";
  const absl::StatusOr<RunResult> raw = job::Run(evaluate, quiet);
  ASSERT_TRUE(raw.ok()) << raw.status();
  EXPECT_LT(raw->metrics.at("accuracy"), result->metrics.at("accuracy") - 0.2);
  EXPECT_EQ(WrittenReport(evaluate)["normalization"]["mean"], json::array({0.0}));
}

TEST(NormalizationTest, ASparseTableKeepsItsZeros) {
  Domain domain = Table(200, 1);
  domain.inputs =
      at::zeros({200, 40}).index_put_({at::arange(200), at::arange(200) % 40}, at::ones({200}));
  const RunSpec train = TrainingOnTable(domain, "sparse");
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("98 % of the values of the target are zero")));
  EXPECT_EQ(WrittenReport(train)["normalization"]["mean"], json::array({0.0}));
}

TEST(NormalizationTest, AutoMeasuresTheSourceOfACheckpointWithoutRecord) {
  const World world("auto_source", "mlp", {12});
  RunSpec spec = world.Spec("adabn");  // which uses no source itself
  const std::string model = NewFolder("bare") + "/model.safetensors";
  {
    io::TensorFile file = *io::ReadSafetensors(OpenFile(world.Path("model.safetensors")));
    for (const char* key : {"acclimate.mean", "acclimate.std"}) file.metadata.erase(key);
    ASSERT_TRUE(io::WriteSafetensors(model, file.tensors, file.metadata).ok());
  }
  spec.checkpoint = OpenFile(model);
  spec.normalization.mode = "auto";
  TestObserver without;
  ASSERT_TRUE(job::Run(spec, without).ok());
  EXPECT_THAT(without.warnings, Contains(HasSubstr("the mean and std of the target are taken")));

  spec.sources = {OpenFile(world.Path("source.safetensors"))};
  TestObserver with;
  ASSERT_TRUE(job::Run(spec, with).ok());
  EXPECT_THAT(with.warnings, Each(Not(HasSubstr("of the target are taken"))));
  const double mean = WrittenReport(spec)["normalization"]["mean"][5].get<double>();
  EXPECT_NEAR(mean, MakeDomain(96, {12}, 1).inputs.select(1, 5).mean().item<double>(), 1e-5);
}

TEST(NormalizationTest, BytesStayAsTheyAreWhereThatIsAskedForAndKeptWithTheModel) {
  Domain domain = MakeDomain(200, {12}, 1);
  domain.inputs = domain.inputs.mul(30).add(100).clamp(0, 255).to(at::kByte);
  const auto mean_of = [](const RunSpec& spec) {
    return WrittenReport(spec)["normalization"]["mean"][3].get<double>();
  };
  const double stored = domain.inputs.select(1, 3).to(at::kDouble).mean().item<double>();
  RunSpec scaled = TrainingOnTable(domain, "scaled_bytes");
  TestObserver observer;
  ASSERT_TRUE(job::Run(scaled, observer).ok());
  EXPECT_NEAR(mean_of(scaled), stored / 255, 1e-4);

  RunSpec train = TrainingOnTable(domain, "raw_bytes");
  train.normalization.raw_bytes = true;
  ASSERT_TRUE(job::Run(train, observer).ok());
  EXPECT_EQ(WrittenReport(train)["normalization"]["raw_bytes"], true);
  EXPECT_NEAR(mean_of(train), stored, 1e-2);

  RunSpec evaluate;
  evaluate.method = "evaluate";
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  evaluate.target = train.target;
  evaluate.output_directory = NewFolder("evaluated_bytes");
  absl::StatusOr<RunResult> result = job::Run(evaluate, observer);
  ASSERT_TRUE(result.ok()) << result.status();
  const double accuracy = result->metrics.at("accuracy");
  EXPECT_EQ(WrittenReport(evaluate)["normalization"]["raw_bytes"], true);

  // The same numbers as floats are the same to it, and no word is said of them.
  const std::string floats = NewFolder("floats") + "/target.safetensors";
  WriteDomain(floats, {domain.inputs.to(at::kFloat), domain.labels});
  evaluate.target = OpenFile(floats);
  TestObserver quiet;
  result = job::Run(evaluate, quiet);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->metrics.at("accuracy"), accuracy);
  EXPECT_THAT(quiet.warnings, Each(Not(HasSubstr("uint8"))));
}

TEST(NormalizationTest, ClipsWhatIsFarOutAndKeepsTheLimitWithTheModel) {
  Domain domain = Table(200, 1);
  domain.inputs[17][2] = 1e9;
  RunSpec train = TrainingOnTable(domain, "clip");
  train.normalization.mean = {500};
  train.normalization.std = {1, 10, 100, 1000};
  train.normalization.clip = 8;
  TestObserver observer;
  ASSERT_TRUE(job::Run(train, observer).ok());
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("1 of 200 samples have values beyond 8 after "
                                                    "normalisation")));
  EXPECT_THAT(observer.warnings, Contains(HasSubstr("they are clipped")));
  EXPECT_EQ(WrittenReport(train)["normalization"]["clip"], 8.0);
  RunSpec evaluate = train;
  evaluate.method = "evaluate";
  evaluate.hyperparameters.clear();
  evaluate.architecture.clear();
  evaluate.normalization = {};
  evaluate.checkpoint = OpenFile(train.output_directory + "/model.safetensors");
  ASSERT_TRUE(job::Run(evaluate, observer).ok());
  EXPECT_EQ(WrittenReport(evaluate)["normalization"]["clip"], 8.0);
}

TEST(NormalizationTest, ImageNetsNumbersNeedThreeChannels) {
  RunSpec spec = TrainingOnTable(Table(60, 1), "imagenet");
  spec.normalization.mode = "imagenet";
  TestObserver observer;
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("target: mean: 3 values, but"));
  spec.normalization.mean = {1};
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("mode \"imagenet\" and numbers exclude each other"));
  spec.normalization = {"automatic", {}, {}, 0};
  EXPECT_THAT(std::string(job::Run(spec, observer).status().message()),
              HasSubstr("must be auto, imagenet or none; is \"automatic\""));
}

TEST(NormalizationTest, ClippedValuesReachTheModelClipped) {
  data::Dataset dataset =
      data::Dataset::FromTensors(at::tensor({-40.0, 1.0, 2.0, 90.0}).view({4, 1}), {}, "x").value();
  ASSERT_TRUE(dataset.SetNormalization({{0}, {2}, 3}).ok());
  EXPECT_TRUE(dataset.Slice(0, 4, at::kCPU)
                  .inputs.equal(at::tensor({-3.0, 0.5, 1.0, 3.0}, at::kFloat).view({4, 1})));
  EXPECT_FALSE(dataset.SetNormalization({{0}, {2}, -1}).ok());
}

}  // namespace
}  // namespace acclimate::job
