#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/pictures/picture_archive.h"
#include "core/data/pictures/picture_decoder.h"
#include "core/data/pictures/picture_samples.h"
#include "core/data/pictures/placement.h"
#include "core/data/pictures/resample.h"
#include "core/data/pictures/sample_cache.h"
#include "tests/core/data/pictures/picture_files.h"

namespace acclimate::data {
namespace {

using ::testing::ElementsAre;
using testing::EncodeBmp;
using testing::EncodeJpeg;
using testing::EncodePng;
using testing::EncodeWebp;
using testing::FileOfBytes;
using ::testing::HasSubstr;
using testing::MakeArchive;
using testing::MakePhoto;
using testing::NamedFiles;

// uint8 [3, rows, columns]
at::Tensor Planes(const Pixels& pixels) {
  at::Tensor planes = at::empty({3, pixels.rows, pixels.columns}, at::kByte);
  ToPlanes(pixels, 3, planes.data_ptr<uint8_t>());
  return planes;
}

at::Tensor Decoded(const std::string& bytes, const PictureConvention& convention = {}) {
  const absl::StatusOr<Pixels> pixels = DecodePicture(bytes, convention);
  EXPECT_TRUE(pixels.ok()) << pixels.status();
  return pixels.ok() ? Planes(*pixels) : at::Tensor();
}

std::string DecodeError(const std::string& bytes) {
  return std::string(DecodePicture(bytes, {}).status().message());
}

double MeanDifference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().mean().item<double>();
}

TEST(PictureDecoderTest, ReadsEveryFormat) {
  const Pixels photo = MakePhoto(37, 23, 1);
  const at::Tensor exact = Planes(photo);
  EXPECT_TRUE(Decoded(EncodePng(photo)).equal(exact));
  EXPECT_TRUE(Decoded(EncodeWebp(photo)).equal(exact));
  EXPECT_TRUE(Decoded(EncodeBmp(photo)).equal(exact));
  EXPECT_LT(MeanDifference(Decoded(EncodeJpeg(photo, 100)), exact), 6);
}

TEST(PictureDecoderTest, SaysWhatIsWrong) {
  const Pixels photo = MakePhoto(60, 40, 1);
  for (const std::string& whole :
       {EncodeJpeg(photo), EncodePng(photo), EncodeWebp(photo), EncodeBmp(photo)}) {
    for (const size_t kept : {whole.size() / 2, size_t{20}}) {
      EXPECT_FALSE(DecodePicture(whole.substr(0, kept), {}).ok()) << whole.substr(0, 4);
    }
  }
  EXPECT_EQ(DecodeError(""), "empty");
  EXPECT_EQ(DecodeError("GIF89a"), "neither JPEG, PNG, WebP nor BMP");
  std::string huge = EncodeBmp(photo);
  huge.replace(18, 4, std::string("\0\0\0\x40", 4));
  EXPECT_THAT(DecodeError(huge), HasSubstr("1073741824 x 40 pixels, more than"));
}

TEST(PictureDecoderTest, GreyIsTheBrightness) {
  Pixels photo = MakePhoto(2, 1, 1);
  photo.rgbx = {255, 0, 0, 0, 10, 200, 30, 0};
  uint8_t grey[2];
  ToPlanes(photo, 1, grey);
  EXPECT_EQ(grey[0], 76);   // 0.299 * 255
  EXPECT_EQ(grey[1], 124);  // 2.99 + 117.4 + 3.42
}

TEST(ResampleTest, IsTheAntialiasedBilinearFilter) {
  for (const auto& [width, height] : {std::pair<int64_t, int64_t>{90, 61}, {40, 75}, {20, 16}}) {
    const Pixels photo = MakePhoto(width, height, 3);
    const PictureConvention convention = {24, 28, 3, 0, 0};
    const Placement placement = PlacementFor(width, height, convention);
    const at::Tensor resized = at::_upsample_bilinear2d_aa(
        Planes(photo).to(at::kFloat).unsqueeze(0), {placement.height, placement.width}, false);
    const at::Tensor expected = resized[0]
                                    .slice(1, placement.top, placement.top + 24)
                                    .slice(2, placement.left, placement.left + 24);
    const at::Tensor ours = Planes(Resample(photo, placement)).to(at::kFloat);
    EXPECT_LT((ours - expected).abs().max().item<double>(), 1.6) << width << " x " << height;
  }
}

TEST(ResampleTest, PlacesAsTorchvisionDoes) {
  const Placement wide = PlacementFor(500, 375, {224, 256, 3, 0, 0});
  EXPECT_EQ(wide.width, 341);
  EXPECT_EQ(wide.height, 256);
  EXPECT_EQ(wide.left, 58);  // round(58.5), half to even
  EXPECT_EQ(wide.top, 16);
}

// What is decoded at a reduced size, and only in part, shows the same.
TEST(PictureDecoderTest, APartOfAReducedJpegIsThatOfTheWhole) {
  for (const auto& [width, height] :
       {std::pair<int64_t, int64_t>{700, 520}, {333, 1000}, {97, 64}}) {
    const std::string jpeg = EncodeJpeg(MakePhoto(width, height, 5));
    const PictureConvention convention = {48, 56, 3, 0, 0};
    const absl::StatusOr<Pixels> whole = DecodeJpeg(jpeg, {});
    ASSERT_TRUE(whole.ok());
    ASSERT_EQ(whole->rows, height);
    const at::Tensor expected = Planes(Resample(*whole, PlacementFor(width, height, convention)));
    EXPECT_LT(MeanDifference(Decoded(jpeg, convention), expected), 4) << width;
  }
}

// Twenty pictures: cats are dark, dogs are bright.
NamedFiles Animals(const std::string& folder = "") {
  NamedFiles files;
  for (int i = 0; i < 20; ++i) {
    Pixels photo = MakePhoto(30 + i, 40, i);
    const bool dog = i % 2 == 1;
    for (uint8_t& value : photo.rgbx) {
      value = static_cast<uint8_t>(value / 3 + (dog ? 160 : 0));
    }
    files.emplace_back(absl::StrCat(folder, dog ? "dog/" : "cat/", i, ".png"), EncodePng(photo));
  }
  return files;
}

absl::StatusOr<PictureSamples> Read(const std::string& archive, PictureConvention convention,
                                    const std::vector<std::string>& names = {}) {
  return ReadPictures(FileOfBytes(archive, "a.tar"), names, "/tmp", convention);
}

std::string ReadError(const NamedFiles& files,
                      const PictureConvention& convention = {16, 0, 0, 0, 0}) {
  return std::string(Read(MakeArchive(files, "tar"), convention).status().message());
}

constexpr PictureConvention kSixteen = {16, 0, 0, 0, 0};

TEST(PictureSamplesTest, EveryArchiveHasTheSameSamples) {
  at::Tensor first;
  for (const char* format : {"tar", "tar.gz", "tar.zst", "zip"}) {
    const std::string archive = MakeArchive(Animals(), format);
    EXPECT_TRUE(PictureArchive::Is(FileOfBytes(archive, "a"))) << format;
    const absl::StatusOr<PictureSamples> samples = Read(archive, kSixteen);
    ASSERT_TRUE(samples.ok()) << format << samples.status();
    if (!first.defined()) first = samples->inputs.clone();
    EXPECT_TRUE(samples->inputs.equal(first)) << format;
    std::vector<std::string> names;
    const at::Tensor labels = samples->labels.ToClasses("a", false, names).value();
    EXPECT_THAT(names, ElementsAre("cat", "dog"));
    const at::Tensor bright = first.to(at::kFloat).mean({1, 2, 3}).gt(128).to(at::kLong);
    EXPECT_TRUE(labels.equal(bright));
  }
  EXPECT_EQ(first.sizes(), (std::vector<int64_t>{20, 3, 16, 16}));
}

TEST(PictureSamplesTest, OtherZipsAreNone) {
  EXPECT_FALSE(PictureArchive::Is(FileOfBytes(MakeArchive({{"inputs.npy", "x"}}, "zip"), "a")));
  EXPECT_FALSE(PictureArchive::Is(FileOfBytes("a,b\n1,2\n", "a")));
}

TEST(PictureSamplesTest, FoldersAreClasses) {
  using Folders = std::vector<std::string>;
  const auto folders = [](const Folders& paths, const Folders& names = {}) {
    return ClassFolders("a.tar", paths, names).value();
  };
  EXPECT_EQ(folders({"1.png", "2.png"}), Folders());
  EXPECT_EQ(folders({"new/1.png", "new/2.png"}), Folders());  // all in one
  EXPECT_EQ(folders({"cat/1.png", "cat/2.png"}, {"cat", "dog"}), (Folders{"cat", "cat"}));
  EXPECT_EQ(folders({"all/cat/1.png", "all/dog/x/2.png"}), (Folders{"cat", "dog"}));
  EXPECT_THAT(std::string(ClassFolders("a.tar", {"cat/1.png", "2.png"}, {}).status().message()),
              HasSubstr("beside them: 2.png"));
}

TEST(PictureSamplesTest, DamagedPicturesAreLeftOutAndNamed) {
  NamedFiles files = Animals("set/");
  files[4].second.resize(60);
  files.emplace_back("set/cat/notes.txt", "x");
  files.emplace_back("set/.DS_Store", "x");
  const absl::StatusOr<PictureSamples> samples = Read(MakeArchive(files, "tar"), kSixteen);
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_EQ(samples->inputs.size(0), 19);
  EXPECT_EQ(samples->labels.size(), 19);
  ASSERT_EQ(samples->warnings.size(), 2u);
  EXPECT_THAT(samples->warnings[0], HasSubstr("1 files are not named as JPEG, PNG, WebP or BMP"));
  EXPECT_THAT(samples->warnings[1],
              HasSubstr("1 of 20 pictures cannot be read and are left out: set/cat/4.png ("));
  // The sample behind the gap is the next picture's.
  const at::Tensor all = Read(MakeArchive(Animals(), "tar"), kSixteen)->inputs;
  EXPECT_TRUE(samples->inputs[4].equal(all[5]));
  files[6].second.resize(60);
  files[8].second = "";
  EXPECT_THAT(ReadError(files),
              HasSubstr("3 of 20 pictures cannot be read, more than a tenth: set/cat/4.png ("));
}

TEST(PictureSamplesTest, WithoutASizeAllHaveThatOfTheFirst) {
  EXPECT_THAT(ReadError(Animals(), {}),
              HasSubstr("dog/1.png has 31 x 40 pixels, and not 30 x 40 as the first; give an image "
                        "size"));
  NamedFiles files;
  for (int i = 0; i < 3; ++i) {
    files.emplace_back(absl::StrCat(i, ".png"), EncodePng(MakePhoto(9, 7, i)));
  }
  const absl::StatusOr<PictureSamples> samples = Read(MakeArchive(files, "zip"), {0, 0, 1, 0, 0});
  ASSERT_TRUE(samples.ok()) << samples.status();
  EXPECT_EQ(samples->inputs.sizes(), (std::vector<int64_t>{3, 1, 7, 9}));
  EXPECT_TRUE(samples->labels.empty());
}

TEST(PictureSamplesTest, DamagedArchivesAreRefused) {
  EXPECT_THAT(ReadError({{"a.txt", "x"}}), HasSubstr("holds no pictures"));
  const std::string archive = MakeArchive(Animals(), "tar");
  EXPECT_THAT(std::string(Read(archive.substr(0, archive.size() / 2), kSixteen).status().message()),
              HasSubstr("a.tar: the archive is damaged behind its entry"));
  EXPECT_THAT(std::string(Read("\x1F\x8B nothing", kSixteen).status().message()),
              HasSubstr("cannot be read as a .tar, .tar.gz, .tar.zst or .zip of pictures"));
}

TEST(SampleCacheTest, RefusesWhatTheProcessMayNotWrite) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &limit), 0);
  const rlimit small = {1000, limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const absl::StatusOr<SampleCache> cache = SampleCache::Create("/tmp", 300, "a.tar");
  const std::vector<uint8_t> sample(300);
  absl::Status third, fourth;
  if (cache.ok()) {
    third = cache->Put(2, sample.data());
    fourth = cache->Put(3, sample.data());
  }
  setrlimit(RLIMIT_FSIZE, &limit);
  ASSERT_TRUE(cache.ok()) << cache.status();
  EXPECT_TRUE(third.ok()) << third;
  EXPECT_THAT(std::string(fourth.message()), HasSubstr("a.tar: more than 3 pictures of 300 bytes"));
}

}  // namespace
}  // namespace acclimate::data
