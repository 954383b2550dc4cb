// Data as people have them, through the command line and a real server.
#include <filesystem>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/e2e/server_process.h"
#include "tests/e2e/test_data.h"

namespace acclimate::e2e {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class OwnDataTest : public testing::Test {
 protected:
  struct Result {
    int exit_code = -1;
    std::string err;
    Json json;
  };

  Result Acclimate(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {ACCLIMATE_CLI, "--server", server_.address()});
    ChildProcess process(arguments, folder_.File(absl::StrCat("cli", ++started_)));
    Result result;
    result.exit_code = process.Wait().value_or(-1);
    result.err = process.Stderr();
    result.json = Json::parse(process.Stdout(), nullptr, /*allow_exceptions=*/false);
    return result;
  }

  std::string FileOf(const std::string& name, const std::string& bytes) {
    WriteFile(folder_.File(name), bytes);
    return folder_.File(name);
  }

  const TemporaryFolder folder_;
  ServerProcess server_;
  int started_ = 0;
};

// Rows whose class follows from a length in millimetres and a colour.
std::string Shells(uint64_t seed, double shift) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> noise;
  std::string text = "length,\"colour, main\",kind\n";
  for (int i = 0; i < 240; ++i) {
    const bool large = random() % 2 == 0, red = random() % 2 == 0;
    absl::StrAppend(&text, (large ? 3000 : 1500) + 120 * noise(random) + shift, ",",
                    red ? "red" : "\"white\"", ",",
                    large ? "whelk"
                    : red ? "cockle"
                          : "tellin",
                    "\n");
  }
  return text;
}

TEST_F(OwnDataTest, ATableIsTrainedOnAdaptedAndEvaluated) {
  const std::string train = FileOf("train.csv", Shells(1, 0));
  const std::string target = FileOf("target.csv", Shells(2, 200));
  const Result trained =
      Acclimate({"train", "--architecture", "mlp", "--data", train, "--label-column", "kind",
                 "--set", "epochs=20", "--out", folder_.File("source"), "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("normalization: auto"));
  // Neither the label column nor the normalisation is said again.
  const std::string model = folder_.File("source/model.safetensors");
  const Result same = Acclimate({"evaluate", "--checkpoint", model, "--data", train, "--json"});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  EXPECT_GT(same.json["accuracy"].get<double>(), 0.95);
  const Result adapted = Acclimate({"adapt", "--checkpoint", model, "--source", train, "--target",
                                    target, "--eval", target, "--method", "dann", "--set",
                                    "steps=20", "--out", folder_.File("adapted"), "--json"});
  ASSERT_EQ(adapted.exit_code, 0) << adapted.err;
  const Json lineage = Json::parse(ReadFile(folder_.File("adapted/lineage.json")));
  EXPECT_EQ(lineage["class_names"], Json({"cockle", "tellin", "whelk"}));
  EXPECT_EQ(lineage["table"]["columns"][1]["name"], "colour, main");
}

TEST_F(OwnDataTest, ATableWithMissingValuesIsRefusedUnlessTheirMeanIsTaken) {
  std::string text = Shells(1, 0);
  absl::StrAppend(&text, ",red,cockle\nNA,red,cockle\n");
  const std::string data = FileOf("missing.csv", text);
  const std::vector<std::string> train = {"train",
                                          "--architecture",
                                          "mlp",
                                          "--data",
                                          data,
                                          "--label-column",
                                          "kind",
                                          "--set",
                                          "epochs=1",
                                          "--out",
                                          folder_.File("out"),
                                          "--json"};
  const Result refused = Acclimate(train);
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("missing.csv: 2 values are missing, first on line 242 (by "
                                     "column: \"length\" 2)"));
  std::vector<std::string> with_mean = train;
  with_mean.insert(with_mean.end(), {"--missing", "mean"});
  const Result trained = Acclimate(with_mean);
  EXPECT_EQ(trained.exit_code, 0) << trained.err;
}

TEST_F(OwnDataTest, NormalisationIsChosenOnceAndInOneWay) {
  const std::string data = FileOf("train.csv", Shells(1, 0));
  const Result both = Acclimate({"train", "--architecture", "mlp", "--data", data, "--normalize",
                                 "auto", "--mean", "0.5", "--out", folder_.File("out")});
  EXPECT_EQ(both.exit_code, 2);
  EXPECT_THAT(both.err, HasSubstr("--normalize auto excludes --mean and --std"));
  const Result clip = Acclimate({"train", "--architecture", "mlp", "--data", data, "--clip", "-1",
                                 "--out", folder_.File("out")});
  EXPECT_EQ(clip.exit_code, 2);
  EXPECT_THAT(clip.err, HasSubstr("--clip takes one positive number"));
  const Result unknown = Acclimate({"train", "--architecture", "mlp", "--data", data, "--normalize",
                                    "imagenot", "--out", folder_.File("out")});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err,
              HasSubstr("--normalize must be auto, imagenet, none, or numbers as 0.5/0.25; is "
                        "imagenot; did you mean imagenet?"));
  const Result numbers = Acclimate({"train", "--architecture", "mlp", "--data", data,
                                    "--label-column", "kind", "--normalize", "0.25/0.5", "--set",
                                    "epochs=1", "--out", folder_.File("numbers"), "--json"});
  ASSERT_EQ(numbers.exit_code, 0) << numbers.err;
  const Json given = Json::parse(ReadFile(folder_.File("numbers/report.json")))["normalization"];
  EXPECT_EQ(given["mean"], Json::array({0.25}));
  EXPECT_EQ(given["std"], Json::array({0.5}));
  const Result none = Acclimate({"train", "--architecture", "mlp", "--data", data, "--label-column",
                                 "kind", "--normalize", "none", "--set", "epochs=1", "--out",
                                 folder_.File("out"), "--json"});
  ASSERT_EQ(none.exit_code, 0) << none.err;
  const Json report = Json::parse(ReadFile(folder_.File("out/report.json")));
  EXPECT_EQ(report["normalization"]["from"], "none");
  EXPECT_EQ(report["normalization"]["mean"], Json({0.0}));
}

// A picture of 24 bits, whose sides are multiples of four: a bright bar, across or upright.
std::string BarBmp(bool upright, int brightness, uint64_t seed) {
  constexpr int kSide = 40;
  std::mt19937_64 random(seed);
  std::string bytes("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
  bytes += std::string("\x28\0\0\0\x28\0\0\0\1\0\x18\0", 12) + std::string(24, '\0');
  const int at = 10 + static_cast<int>(random() % 16);
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const bool on_bar = std::abs((upright ? x : y) - at) < 4;
      const int value = (on_bar ? brightness : 30) + static_cast<int>(random() % 30);
      bytes.append(3, static_cast<char>(value));
    }
  }
  return bytes;
}

TEST_F(OwnDataTest, AFolderOfPicturesIsAJobsData) {
  for (const char* folder : {"source/across", "source/upright", "new/all"}) {
    std::filesystem::create_directories(folder_.File(folder));
  }
  for (int i = 0; i < 60; ++i) {
    const bool upright = i % 2 == 0;
    FileOf(absl::StrCat("source/", upright ? "upright/" : "across/", i, ".bmp"),
           BarBmp(upright, 200, i));
    FileOf(absl::StrCat("new/all/", i, ".bmp"), BarBmp(upright, 90, 100 + i));
  }
  FileOf("source/across/bad.bmp", "BM");
  FileOf("source/notes.txt", "not a picture");
  const Result trained =
      Acclimate({"train", "--architecture", "lenet", "--data", folder_.File("source"),
                 "--image-size", "28", "--image-channels", "1", "--normalize", "auto", "--set",
                 "epochs=15", "--set", "augment=none", "--out", folder_.File("out"), "--json"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  EXPECT_THAT(trained.err, HasSubstr("a folder of 61 pictures; 1 other files are left out"));
  EXPECT_THAT(trained.err, HasSubstr("1 of 61 pictures cannot be read and are left out: "
                                     "across/bad.bmp (the BMP file ends early)"));
  const Json lineage = Json::parse(ReadFile(folder_.File("out/lineage.json")));
  EXPECT_EQ(lineage["class_names"], Json({"across", "upright"}));

  // Size, channels and classes come from the model.
  const std::string model = folder_.File("out/model.safetensors");
  const Result same = Acclimate(
      {"evaluate", "--checkpoint", model, "--data", folder_.File("source") + "/", "--json"});
  ASSERT_EQ(same.exit_code, 0) << same.err;
  EXPECT_GT(same.json["accuracy"].get<double>(), 0.9);
  const Result adapted =
      Acclimate({"adapt", "--checkpoint", model, "--target", folder_.File("new"), "--method",
                 "adabn", "--out", folder_.File("adapted"), "--json"});
  ASSERT_EQ(adapted.exit_code, 0) << adapted.err;
  const Json kept = Json::parse(ReadFile(folder_.File("adapted/lineage.json")));
  EXPECT_EQ(kept["pictures"], Json({{"size", 28}, {"resize", 0}, {"channels", 1}}));
  EXPECT_EQ(kept["class_names"], lineage["class_names"]);
  const Result unlabelled =
      Acclimate({"evaluate", "--checkpoint", model, "--data", folder_.File("new"), "--json"});
  EXPECT_EQ(unlabelled.exit_code, 1);
  EXPECT_THAT(unlabelled.err,
              HasSubstr("new: has no labels: put the pictures into a folder for each class"));
  const Result empty =
      Acclimate({"evaluate", "--checkpoint", model, "--data", folder_.File("out"), "--json"});
  EXPECT_THAT(empty.err, HasSubstr("a folder without pictures"));
}

}  // namespace
}  // namespace acclimate::e2e
