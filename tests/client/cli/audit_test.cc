#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/audit_labels.h"
#include "client/cli/command.h"
#include "client/cli/job_outputs.h"
#include "client/cli/submission.h"
#include "client/cli/target_samples.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace acclimate::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

class AuditFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "acclimate_audit_XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string Write(const std::string& name, const std::string& bytes) const {
    std::ofstream(folder_ + "/" + name, std::ios::binary) << bytes;
    return folder_ + "/" + name;
  }

  // What is said of a CSV file with these lines.
  std::string RefusalOfLabels(const std::string& text) const {
    const absl::Status status = ReadAuditLabels(Write("audit.csv", text)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  std::string folder_;
};

std::string TensorsFile(const std::string& header, const std::string& body) {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + body;
}

template <typename Value>
std::string BytesOf(const std::vector<Value>& values) {
  return std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Value));
}

TEST_F(AuditFilesTest, ReadsLabelsAsSpreadsheetsWriteThem) {
  const auto labels = ReadAuditLabels(
      Write("audit.csv", "\xEF\xBB\xBFlabel,note,index\r\n 2 ,hard,17\r\n\r\n0,,4\r\n"));
  ASSERT_TRUE(labels.ok()) << labels.status();
  ASSERT_EQ(labels->size(), 2u);
  EXPECT_EQ((*labels)[0].index, 17);
  EXPECT_EQ((*labels)[0].label, 2);
  EXPECT_EQ((*labels)[1].index, 4);
}

TEST_F(AuditFilesTest, NamesTheLineAtFault) {
  EXPECT_THAT(RefusalOfLabels("index,label\n1,0\n2,\n"),
              EndsWith("audit.csv: line 3: has no label; label every sample of the list, the hard "
                       "ones too"));
  EXPECT_THAT(RefusalOfLabels("index,label\n1,cat\n"),
              EndsWith("line 2: label \"cat\" is not a whole number from 0 on"));
  EXPECT_THAT(RefusalOfLabels("index,label\n-1,0\n"),
              EndsWith("line 2: index \"-1\" is not a whole number from 0 on"));
  EXPECT_THAT(RefusalOfLabels("index,label\n1,0\n\n2,1\n1,1\n"),
              EndsWith("line 5: index 1 is given twice, first in line 2"));
  EXPECT_THAT(RefusalOfLabels("1,0\n2,1\n"),
              EndsWith("line 1: has no column \"index\"; the first line must be index,label"));
  EXPECT_THAT(RefusalOfLabels("index,label\n"), EndsWith("audit.csv: has no labels"));
  EXPECT_EQ(ReadAuditLabels(folder_ + "/nowhere").status().code(), absl::StatusCode::kNotFound);
}

TEST(UseAuditTest, NeedsAnAudit) {
  const auto check = [](std::vector<std::string> words) {
    words.insert(words.end(), {"--target", "target.npz"});
    const auto arguments = Arguments::Parse(AdaptCommand().arguments, words);
    EXPECT_TRUE(arguments.ok()) << arguments.status();
    return CheckAudit(*arguments);
  };
  EXPECT_TRUE(check({}).ok());
  EXPECT_TRUE(check({"--audit", "audit.csv"}).ok());
  EXPECT_TRUE(check({"--audit", "audit.csv", "--use-audit"}).ok());
  EXPECT_EQ(check({"--use-audit"}).message(),
            "--audit FILE is missing: --use-audit chooses by its labels");
}

TEST_F(AuditFilesTest, DrawsEachSampleAsOftenAndNoneTwice) {
  std::vector<int> drawn(20, 0);
  for (uint64_t seed = 0; seed < 4000; ++seed) {
    const auto sample = DrawAuditSample(20, 5, seed);
    ASSERT_TRUE(sample.ok());
    ASSERT_EQ(sample->size(), 5u);
    for (size_t i = 0; i < 5; ++i) {
      if (i > 0) {
        ASSERT_LT((*sample)[i - 1], (*sample)[i]);
      }
      ++drawn[static_cast<size_t>((*sample)[i])];
    }
  }
  // 1000 each, with a deviation of 27.
  for (const int times : drawn) EXPECT_NEAR(times, 1000, 135);
  EXPECT_EQ(*DrawAuditSample(1000, 10, 7), *DrawAuditSample(1000, 10, 7));
  EXPECT_NE(*DrawAuditSample(1000, 10, 7), *DrawAuditSample(1000, 10, 8));
  EXPECT_EQ(DrawAuditSample(5, 5, 0)->size(), 5u);
  EXPECT_THAT(std::string(DrawAuditSample(5, 6, 0).status().message()),
              HasSubstr("--n 6: must be from 1 to 5"));
}

TEST_F(AuditFilesTest, TheListIsWhatTheReaderTakes) {
  EXPECT_EQ(EmptyAuditFile({3, 17}), "index,label\n3,\n17,\n");
}

TEST_F(AuditFilesTest, CountsTheSamplesOfEveryForm) {
  EXPECT_EQ(*SamplesOfTarget(AUDIT_TEST_NPZ), 1348);
  const std::string npy =
      "\x93NUMPY" + std::string("\x01\x00\x46\x00", 4) +
      "{'descr': '<f4', 'fortran_order': False, 'shape': (12, 3), }          \n";
  EXPECT_EQ(*SamplesOfTarget(Write("a.npy", npy)), 12);
  const std::string dense = TensorsFile(
      R"({"inputs":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]}})", std::string(8, '\0'));
  EXPECT_EQ(*SamplesOfTarget(Write("dense.safetensors", dense)), 2);
  const std::string rows = TensorsFile(
      R"({"indptr":{"dtype":"I64","shape":[4],"data_offsets":[0,32]}})", std::string(32, '\0'));
  EXPECT_EQ(*SamplesOfTarget(Write("rows.safetensors", rows)), 3);
  EXPECT_THAT(std::string(SamplesOfTarget(Write("text", "hello")).status().message()),
              HasSubstr("no safetensors file"));
  EXPECT_THAT(std::string(SamplesOfTarget(Write("cut.npz", "PK\3\4")).status().message()),
              HasSubstr("the zip archive is truncated"));
  EXPECT_THAT(std::string(SamplesOfTarget(folder_).status().message()),
              HasSubstr("probabilities.safetensors: not there"));
}

constexpr char kProbabilitiesHeader[] = R"({"__metadata__":{"temperature":"1"},
  "probabilities":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
  "prediction":{"dtype":"I64","shape":[2],"data_offsets":[24,40]},
  "source_prediction":{"dtype":"I64","shape":[2],"data_offsets":[40,56]},
  "source_confidence":{"dtype":"F32","shape":[2],"data_offsets":[56,64]}})";

TEST_F(AuditFilesTest, ReadsWhatAJobPredicted) {
  const std::string body = BytesOf<float>({0.1f, 0.7f, 0.2f, 0.5f, 0.1f, 0.4f}) +
                           BytesOf<int64_t>({1, 0}) + BytesOf<int64_t>({2, 0}) +
                           BytesOf<float>({0.9f, 0.6f});
  Write("probabilities.safetensors", TensorsFile(kProbabilitiesHeader, body));
  const auto predictions = ReadJobPredictions(folder_);
  ASSERT_TRUE(predictions.ok()) << predictions.status();
  EXPECT_EQ(predictions->classes, 3);
  EXPECT_THAT(predictions->returned.predicted, ElementsAre(1, 0));
  EXPECT_THAT(predictions->returned.confidence, ElementsAre(0.7f, 0.5f));
  EXPECT_THAT(predictions->source->predicted, ElementsAre(2, 0));
  EXPECT_THAT(predictions->source->confidence, ElementsAre(0.9f, 0.6f));
  EXPECT_EQ(*SamplesOfTarget(folder_), 2);
  // What is cut off is said, not read.
  Write("probabilities.safetensors", TensorsFile(kProbabilitiesHeader, body.substr(0, 60)));
  EXPECT_EQ(ReadJobPredictions(folder_).status().code(), absl::StatusCode::kDataLoss);
  std::string header = kProbabilitiesHeader;
  header.replace(header.find("F32"), 3, "F64");
  Write("probabilities.safetensors", TensorsFile(header, body));
  EXPECT_THAT(std::string(ReadJobPredictions(folder_).status().message()),
              HasSubstr("tensor \"probabilities\" must be F32 of 2 dimensions"));
}

}  // namespace
}  // namespace acclimate::cli
