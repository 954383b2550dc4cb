#include "core/data/dataset.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/io/tensor_file.h"
#include "tests/core/data/dataset_files.h"

namespace acclimate::data {
namespace {

using ::testing::HasSubstr;
using Tensors = std::map<std::string, at::Tensor>;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::shared_ptr<io::MappedFile> Safetensors(
    const Tensors& tensors, const std::map<std::string, std::string>& metadata = {}) {
  std::string path = ::testing::TempDir() + "dataset_test_" + std::to_string(getpid());
  EXPECT_TRUE(io::WriteSafetensors(path, tensors, metadata).ok());
  std::shared_ptr<io::MappedFile> file = io::MappedFile::Open(path).value();
  std::filesystem::remove(path);
  return file;
}

at::Tensor Labels(int64_t count) { return at::arange(count) % 3; }

void ExpectRefused(const absl::Status& status, const std::string& message) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << message;
  EXPECT_THAT(std::string(status.message()), HasSubstr(message));
}

TEST(DatasetTest, EveryFormatGivesTheSame) {
  at::Tensor inputs = at::arange(48).view({4, 1, 3, 4}).to(at::kByte), labels = Labels(4);
  std::string inputs_npy = NpyOf(inputs, "|u1"), labels_npy = NpyOf(labels, "<i8");
  std::shared_ptr<io::MappedFile> files[] = {
      Safetensors({{"inputs", inputs}, {"labels", labels}}),
      FileOf(Zip({{"inputs.npy", inputs_npy, true}, {"labels.npy", labels_npy, true}})),
      FileOf(inputs_npy)};
  for (const auto& file : files) {
    absl::StatusOr<Dataset> dataset = Dataset::Read(file);
    ASSERT_TRUE(dataset.ok()) << dataset.status();
    EXPECT_EQ(dataset->size(), 4);
    EXPECT_EQ(dataset->sample_shape(), (std::vector<int64_t>{1, 3, 4}));
    EXPECT_TRUE(at::equal(dataset->stored_inputs(), inputs));
    EXPECT_EQ(dataset->has_labels(), file != files[2]);
    EXPECT_EQ(dataset->num_classes(), file != files[2] ? 3 : 0);
    if (dataset->has_labels()) {
      EXPECT_TRUE(at::equal(dataset->labels(), labels));
    }
  }
}

TEST(DatasetTest, BytesStayMapped) {
  std::shared_ptr<io::MappedFile> file =
      Safetensors({{"inputs", at::ones({4, 3}, at::kByte)}, {"labels", Labels(4)}});
  Dataset dataset = Dataset::Read(file).value();
  const uint8_t* data = dataset.stored_inputs().data_ptr<uint8_t>();
  EXPECT_TRUE(data >= file->data() && data < file->data() + file->size());
}

TEST(DatasetTest, OtherFloatsAndLabelTypesAreConverted) {
  for (at::ScalarType type : {at::kFloat, at::kDouble, at::kHalf}) {
    for (at::ScalarType label_type : {at::kLong, at::kInt, at::kByte}) {
      absl::StatusOr<Dataset> dataset = Dataset::Read(Safetensors(
          {{"inputs", at::full({3, 2}, 0.5, type)}, {"labels", Labels(3).to(label_type)}}));
      ASSERT_TRUE(dataset.ok()) << dataset.status();
      EXPECT_EQ(dataset->stored_inputs().scalar_type(), at::kFloat);
      EXPECT_EQ(dataset->labels().scalar_type(), at::kLong);
      EXPECT_EQ(dataset->stored_inputs()[0][0].item<float>(), 0.5f);
    }
  }
}

TEST(DatasetTest, GatherScalesThenNormalisesEachChannel) {
  at::Tensor inputs = at::randint(0, 256, {6, 2, 3, 3}, at::kByte);
  Dataset dataset = Dataset::FromTensors(inputs, Labels(6), "d").value();
  at::Tensor index = at::tensor({5, 0, 3, 3}, at::kLong);
  at::Tensor unit = inputs.index_select(0, index).to(at::kFloat) / 255;
  EXPECT_TRUE(at::allclose(dataset.Gather(index, at::kCPU).inputs, unit, 1e-6, 1e-7));

  ASSERT_TRUE(dataset.SetNormalization({{0.1, 0.4}, {0.5, 2}}).ok());
  at::Tensor mean = at::tensor({0.1f, 0.4f}).view({1, 2, 1, 1});
  at::Tensor std = at::tensor({0.5f, 2.0f}).view({1, 2, 1, 1});
  Batch batch = dataset.Gather(index, at::kCPU);
  EXPECT_TRUE(at::allclose(batch.inputs, (unit - mean) / std, 1e-6, 1e-6));
  EXPECT_TRUE(at::equal(batch.labels, Labels(6).index_select(0, index)));
}

TEST(DatasetTest, SliceIsAGatherInOrderAndACopy) {
  at::Tensor inputs = at::randn({6, 4});
  Dataset dataset = Dataset::FromTensors(inputs, Labels(6), "d").value();
  Batch slice = dataset.Slice(2, 5, at::kCPU);
  Batch gather = dataset.Gather(at::arange(2, 5), at::kCPU);
  EXPECT_TRUE(at::equal(slice.inputs, gather.inputs));
  EXPECT_TRUE(at::equal(slice.labels, gather.labels));
  slice.inputs.zero_();
  slice.labels.zero_();
  EXPECT_TRUE(at::equal(dataset.Slice(2, 5, at::kCPU).inputs, gather.inputs));
  EXPECT_TRUE(at::equal(dataset.labels(), Labels(6)));
}

TEST(DatasetTest, ASubsetIsAViewOfItsSamples) {
  at::Tensor inputs = at::arange(24, at::kFloat).view({6, 2, 2});
  Dataset dataset = Dataset::FromTensors(inputs, Labels(6), "numbers").value();
  ASSERT_TRUE(dataset.SetNormalization({{1.0, 2.0}, {2.0, 4.0}}).ok());
  const at::Tensor odd = at::tensor({5, 3, 1}, at::kLong), later = at::tensor({2, 0}, at::kLong);
  const Dataset subset = dataset.Subset(odd);
  const Dataset of_subset = subset.Subset(later);

  EXPECT_EQ(subset.size(), 3);
  EXPECT_EQ(subset.sample_shape(), dataset.sample_shape());
  EXPECT_TRUE(at::equal(subset.labels(), dataset.labels().index_select(0, odd)));
  EXPECT_TRUE(at::equal(subset.stored_inputs(), inputs.index_select(0, odd)));
  const Batch gathered = subset.Gather(later, at::kCPU);
  const Batch expected = dataset.Gather(at::tensor({1, 5}, at::kLong), at::kCPU);
  EXPECT_TRUE(at::equal(gathered.inputs, expected.inputs));
  EXPECT_TRUE(at::equal(gathered.labels, expected.labels));
  EXPECT_TRUE(at::equal(subset.Slice(1, 3, at::kCPU).inputs,
                        dataset.Gather(at::tensor({3, 1}, at::kLong), at::kCPU).inputs));
  EXPECT_TRUE(at::equal(of_subset.Slice(0, 2, at::kCPU).inputs, expected.inputs));
  EXPECT_TRUE(at::equal(subset.Select(later).Slice(0, 2, at::kCPU).inputs, expected.inputs));
  EXPECT_FALSE(dataset.Subset(odd, /*labels=*/false).has_labels());
  const Dataset like = subset.WithSamples(inputs.slice(0, 5), Labels(1), "another").value();
  EXPECT_TRUE(at::equal(like.Slice(0, 1, at::kCPU).inputs, dataset.Slice(5, 6, at::kCPU).inputs));

  inputs.mul_(10);  // a view sees it
  EXPECT_TRUE(at::equal(of_subset.stored_inputs()[0], inputs[1]));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(DatasetTest, AFileMayBeLargerThanTheMemoryAllowed) {
  constexpr int64_t kSamples = 4096, kWidth = 1 << 15;  // 128 MiB, without blocks on the disk
  std::FILE* file = std::tmpfile();
  const std::string header = Npy(absl::StrCat("{'descr': '|u1', 'fortran_order': False, 'shape': (",
                                              kSamples, ", ", kWidth, "), }"),
                                 "");
  std::fwrite(header.data(), 1, header.size(), file);
  std::fflush(file);
  ASSERT_EQ(ftruncate(fileno(file), header.size() + kSamples * kWidth), 0);

  int64_t kibibytes = 0;  // that count towards the limit
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("VmData:", 0) == 0) kibibytes = std::atoll(line.c_str() + 7);
  }
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  const rlimit tight = {static_cast<rlim_t>(kibibytes << 10) + (32 << 20), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &tight), 0);
  const auto mapped = io::MappedFile::FromDescriptor(fileno(file), "large.npy");
  const absl::StatusOr<Dataset> dataset =
      mapped.ok() ? Dataset::Read(*mapped) : absl::StatusOr<Dataset>(mapped.status());
  int64_t sum = -1;
  if (dataset.ok()) {
    const Dataset most = dataset->Subset(at::arange(100, kSamples, at::kLong));
    sum = most.Slice(3000, 3010, at::kCPU).inputs.sum().item<int64_t>();
  }
  setrlimit(RLIMIT_DATA, &before);
  std::fclose(file);
  EXPECT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(sum, 0);
}
#endif

TEST(DatasetTest, NormalizationMustFit) {
  Dataset dataset = Dataset::FromTensors(at::randn({6, 3, 2, 2}), {}, "d").value();
  ExpectRefused(dataset.SetNormalization({{0.1, 0.2}, {1}}), "mean: 2 values, but \"d\" has 3");
  ExpectRefused(dataset.SetNormalization({{0}, {1, 1}}), "std: 2 values");
  ExpectRefused(dataset.SetNormalization({{0}, {0}}), "std: must be positive");
  ExpectRefused(dataset.SetNormalization({{0}, {-1}}), "std: must be positive");
  ExpectRefused(dataset.SetNormalization({{0}, {kNan}}), "std: must be positive");
  ExpectRefused(dataset.SetNormalization({{kInfinity}, {1}}), "mean: not finite");
  ExpectRefused(dataset.SetNormalization({{}, {1}}), "mean: 0 values");
}

TEST(DatasetTest, RefusesBadTensorsAndNamesTheIndex) {
  at::Tensor good = at::randn({4, 2, 3});
  auto with = [&](float value) {
    at::Tensor bad = good.clone();
    bad[2][1][0] = value;
    bad[3][0][0] = value;
    return bad;
  };
  struct {
    at::Tensor inputs, labels;
    std::string message;
  } cases[] = {
      {with(kNan), {}, "d: inputs[2, 1, 0] is not a number"},
      {with(kInfinity), {}, "d: inputs[2, 1, 0] is infinite"},
      {at::full({2, 2}, 1e300, at::kDouble), {}, "d: inputs[0, 0] is infinite (as float32)"},
      {at::zeros({0, 3}), {}, "d: inputs holds no samples"},
      {at::zeros({3, 0}), {}, "d: inputs has empty samples"},
      {at::zeros({3}), {}, "d: inputs has shape [3], but must be [N, ...]"},
      {at::zeros({3, 2}, at::kLong), {}, "d: inputs has dtype int64"},
      {at::zeros({3, 2}, at::kLong), {}, "inputs = inputs.astype(np.float32)"},
      {good, at::arange(5), "d: labels has shape [5], but inputs holds 4"},
      {with(kNan), at::arange(5),
       "d: inputs[2, 1, 0] is not a number (as float32); labels has shape [5]"},
      {good, at::tensor({0, 1, -7, 0}, at::kLong), "d: labels[2] is -7"},
      {good, at::full({4}, std::numeric_limits<int64_t>::max(), at::kLong), "d: labels[0] is 9223"},
  };
  for (const auto& [inputs, labels, message] : cases) {
    ExpectRefused(Dataset::FromTensors(inputs, labels, "d").status(), message);
  }
}

TEST(DatasetTest, FindsANanBeyondTheFirstChunk) {
  at::Tensor inputs = at::zeros({3000, 1000});
  inputs[2999][998] = kNan;
  ExpectRefused(Dataset::FromTensors(inputs, {}, "d").status(),
                "inputs[2999, 998] is not a number");
}

TEST(DatasetTest, RefusesBadFilesAndNamesThem) {
  at::Tensor inputs = at::zeros({4, 3});
  std::string claims = LittleEndian(1 << 20, 8) + "{\"inputs\"";
  struct {
    std::string bytes, message;
  } cases[] = {
      {"", "x: empty"},
      {"hello, world", "x: neither safetensors, npz nor npy; begins with bytes 68656c6c6f2c2077"},
      {claims, "x: "},
      {NpyOf(inputs, "<f4").substr(0, 150), "x: the npy header claims shape"},
      {Zip({{"weights.npy", NpyOf(inputs, "<f4")}}), "x: there is no tensor \"inputs\""},
  };
  for (const auto& [bytes, message] : cases) {
    ExpectRefused(Dataset::Read(FileOf(bytes, "x")).status(), message);
  }
}

TEST(DatasetTest, TruncatedSafetensorsAreRefused) {
  std::shared_ptr<io::MappedFile> good =
      Safetensors({{"inputs", at::zeros({4, 3})}, {"labels", Labels(4)}});
  std::string bytes(good->bytes());
  for (size_t size = 0; size < bytes.size(); size += 3) {
    EXPECT_EQ(Dataset::Read(FileOf(bytes.substr(0, size))).status().code(),
              absl::StatusCode::kInvalidArgument)
        << size;
  }
}

class CsrTest : public ::testing::Test {
 protected:
  // [[0, 5, 0, 0], [0, 0, 0, 0], [7, 0, 9, 0]]
  Tensors tensors_ = {{"values", at::tensor({5, 7, 9}, at::kByte)},
                      {"indices", at::tensor({1, 0, 2}, at::kInt)},
                      {"indptr", at::tensor({0, 1, 1, 3}, at::kLong)},
                      {"labels", Labels(3)}};

  absl::StatusOr<Dataset> Read(const std::map<std::string, std::string>& metadata = {}) {
    return Dataset::Read(Safetensors(tensors_, metadata));
  }
};

TEST_F(CsrTest, IsDensified) {
  at::Tensor dense = at::tensor({0, 5, 0, 0, 0, 0, 7, 0, 9}, at::kFloat).view({3, 3});
  EXPECT_TRUE(at::equal(Read().value().stored_inputs(), dense));
  at::Tensor wide = at::constant_pad_nd(dense, {0, 1});
  EXPECT_TRUE(at::equal(Read({{"columns", "4"}}).value().stored_inputs(), wide));
  EXPECT_TRUE(at::equal(Read({{"shape", "3x4"}}).value().stored_inputs(), wide));
}

TEST_F(CsrTest, DamageIsRefusedAndNamed) {
  ExpectRefused(Read({{"columns", "2"}}).status(), "indices[2] is 2, outside the 2 columns");
  ExpectRefused(Read({{"columns", "many"}}).status(), "no number of columns: \"many\"");
  ExpectRefused(Read({{"columns", "4000000000000"}}).status(), "too large");
  const Tensors good = tensors_;
  struct {
    const char* name;
    at::Tensor tensor;
    std::string message;
  } cases[] = {
      {"indices", at::tensor({1, -1, 2}, at::kInt), "indices[1] is -1"},
      {"indices", at::tensor({1, 2}, at::kInt), "values has 3 entries, indices 2"},
      {"indices", at::zeros({3}), "indices has dtype Float"},
      {"indices", at::full({3}, std::numeric_limits<int64_t>::max(), at::kLong), "indices[0]"},
      {"indptr", at::tensor({0, 2, 1, 3}, at::kLong), "indptr decreases after index 1"},
      {"indptr", at::tensor({0, 1, 1, 4}, at::kLong), "indptr runs from 0 to 4"},
      {"indptr", at::tensor({1, 1, 1, 3}, at::kLong), "indptr runs from 1 to 3"},
      {"indptr", at::tensor({0}, at::kLong), "indptr holds no samples"},
      {"values", at::ones({3, 1}), "values has 2 dimensions"},
      {"values", at::tensor({5.f, kNan, 9.f}), "inputs[2, 0] is not a number"},
  };
  for (const auto& [name, tensor, message] : cases) {
    tensors_ = good;
    tensors_[name] = tensor;
    ExpectRefused(Read().status(), message);
  }
}

std::string RealData(const std::string& file) {
  const char* folder = std::getenv("ACCLIMATE_TEST_DATA");
  return (folder != nullptr ? std::string(folder) : ACCLIMATE_SOURCE_DIR "/../shared/data") + "/" +
         file;
}

TEST(RealDataTest, MnistHasItsDigits) {
  auto file = io::MappedFile::Open(RealData("digits/mnist_test.safetensors"));
  if (!file.ok()) GTEST_SKIP() << file.status();
  Dataset mnist = Dataset::Read(*file).value();
  EXPECT_EQ(mnist.size(), 10000);
  EXPECT_EQ(mnist.num_classes(), 10);
  at::Tensor first = mnist.labels().slice(0, 0, 5);
  EXPECT_TRUE(at::equal(first, at::tensor({7, 2, 1, 0, 4}, at::kLong)));
  EXPECT_NEAR(mnist.Slice(0, 10000, at::kCPU).inputs.mean().item<double>(), 0.1325, 1e-3);
}

TEST(RealDataTest, AmazonReviewsAreDensified) {
  auto file = io::MappedFile::Open(RealData("amazon_reviews/kitchen_train_csr.safetensors"));
  if (!file.ok()) GTEST_SKIP() << file.status();
  Dataset kitchen = Dataset::Read(*file).value();
  EXPECT_EQ(kitchen.size(), 2000);
  EXPECT_EQ(kitchen.sample_shape(), std::vector<int64_t>{5000});
  EXPECT_EQ(kitchen.stored_inputs().count_nonzero().item<int64_t>(), 126363);
}

}  // namespace
}  // namespace acclimate::data
