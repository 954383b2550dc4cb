// What a checkpoint or a data file holds, and what a job would make of it.
#ifndef ACCLIMATE_CORE_INSPECT_FILE_DESCRIPTION_H_
#define ACCLIMATE_CORE_INSPECT_FILE_DESCRIPTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "core/io/mapped_file.h"

namespace acclimate::inspect {

enum class FileKind { kCheckpoint, kTensors, kTable, kPictures };

// By the bytes: npz, npy and safetensors with `inputs` or arrays of other names are data; a table
// is text, an archive of pictures what libarchive reads; the rest is read as a checkpoint.
FileKind KindOf(const std::shared_ptr<io::MappedFile>& file);

struct Question {
  std::string architecture;           // of a state dict that names none
  std::vector<int64_t> sample_shape;  // that a checkpoint is to take; empty: what it records
};

// An object with `file`, `bytes`, `kind` ("checkpoint" or "data"), what was found, `warnings` and
// `problems`: a job takes the file if these are empty. Never fails: what cannot be read is a
// problem.
nlohmann::ordered_json Describe(const std::shared_ptr<io::MappedFile>& file,
                                const Question& question);

}  // namespace acclimate::inspect

#endif  // ACCLIMATE_CORE_INSPECT_FILE_DESCRIPTION_H_
