// Small pictures and archives of them, made by the tests themselves.
#ifndef ACCLIMATE_TESTS_CORE_DATA_PICTURES_PICTURE_FILES_H_
#define ACCLIMATE_TESTS_CORE_DATA_PICTURES_PICTURE_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/data/pictures/pixels.h"
#include "core/io/mapped_file.h"

namespace acclimate::testing {

// Something like a photograph: soft shapes under finer and finer ones. The same seed draws the
// same.
data::Pixels MakePhoto(int64_t width, int64_t height, uint64_t seed);

std::string EncodeJpeg(const data::Pixels& pixels, int quality = 90);
std::string EncodePng(const data::Pixels& pixels);
std::string EncodeWebp(const data::Pixels& pixels);  // without loss
std::string EncodeBmp(const data::Pixels& pixels);

using NamedFiles = std::vector<std::pair<std::string, std::string>>;  // path and bytes
// format: "tar", "tar.gz", "tar.zst" or "zip".
std::string MakeArchive(const NamedFiles& files, const std::string& format);
// A mapped file of these bytes, which has no name on the disk.
std::shared_ptr<io::MappedFile> FileOfBytes(const std::string& bytes, const std::string& name);

}  // namespace acclimate::testing

#endif  // ACCLIMATE_TESTS_CORE_DATA_PICTURES_PICTURE_FILES_H_
