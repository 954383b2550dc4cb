// JPEG pictures decoded to samples of 224 x 224 a second and core, against Pillow and torchvision
// on the same pictures in the same run.
//
//   picture_bench [PYTHON]    with torchvision; default: python3
//
// Prints one JSON line for each size of pictures. All times are processor time of one thread.
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/data/pictures/picture_decoder.h"
#include "core/runtime/large_blocks.h"
#include "tests/core/data/pictures/picture_files.h"

namespace acclimate {
namespace {

using nlohmann::json;

constexpr data::PictureConvention kImageNet = {224, 256, 3, 0, 0};
constexpr int kPictures = 40;
constexpr double kSeconds = 3;

double ProcessorSeconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

double OursPerSecond(const std::vector<std::string>& pictures) {
  std::vector<uint8_t> sample(3 * 224 * 224);
  const auto decode = [&](const std::string& bytes) {
    const absl::StatusOr<data::Pixels> pixels = data::DecodePicture(bytes, kImageNet);
    if (!pixels.ok()) std::abort();
    data::ToPlanes(*pixels, 3, sample.data());
  };
  for (int i = 0; i < 5; ++i) decode(pictures[i]);
  int64_t count = 0;
  const double begin = ProcessorSeconds();
  while (ProcessorSeconds() - begin < kSeconds) decode(pictures[count++ % kPictures]);
  return static_cast<double>(count) / (ProcessorSeconds() - begin);
}

json TheirsPerSecond(const std::string& python, const std::string& folder) {
  const std::string command =
      absl::StrCat(python, " ", ACCLIMATE_SOURCE_DIR, "/tests/bench/picture_bench.py ", folder);
  FILE* const pipe = popen(command.c_str(), "r");
  std::string text;
  char buffer[4096];
  while (pipe != nullptr && std::fgets(buffer, sizeof(buffer), pipe) != nullptr) text += buffer;
  if (pipe == nullptr || pclose(pipe) != 0) return json();
  return json::parse(text, nullptr, /*allow_exceptions=*/false);
}

int Main(int argc, char** argv) {
  runtime::KeepLargeBlocks();  // as a worker does
  const std::string python = argc > 1 ? argv[1] : "python3";
  for (const auto& [width, height] :
       std::vector<std::pair<int64_t, int64_t>>{{500, 375}, {224, 224}, {1280, 960}}) {
    char folder[] = "/tmp/picture_bench_XXXXXX";
    if (mkdtemp(folder) == nullptr) return EXIT_FAILURE;
    std::vector<std::string> pictures;
    size_t bytes = 0;
    for (int i = 0; i < kPictures; ++i) {
      pictures.push_back(testing::EncodeJpeg(testing::MakePhoto(width, height, i), 90));
      std::ofstream(absl::StrCat(folder, "/", i, ".jpg")) << pictures.back();
      bytes += pictures.back().size();
    }
    json line = {{"bench", "pictures"},
                 {"size", absl::StrCat(width, "x", height)},
                 {"kilobytes", bytes / kPictures / 1000},
                 {"acclimate", OursPerSecond(pictures)}};
    const json theirs = TheirsPerSecond(python, folder);
    std::filesystem::remove_all(folder);
    if (!theirs.is_object()) {
      std::fprintf(stderr, "%s did not run picture_bench.py: it needs torchvision and Pillow\n",
                   python.c_str());
      return EXIT_FAILURE;
    }
    line.update(theirs);
    for (const char* other : {"pillow", "torchvision_folder", "torchvision_tensor"}) {
      line[absl::StrCat("times_", other)] =
          line["acclimate"].get<double>() / theirs[other].get<double>();
    }
    std::printf("%s\n", line.dump().c_str());
    std::fflush(stdout);
  }
  return EXIT_SUCCESS;
}

}  // namespace
}  // namespace acclimate

int main(int argc, char** argv) { return acclimate::Main(argc, argv); }
