// Files and messages with something wrong in their structure, not only in their bytes.
#ifndef ACCLIMATE_TESTS_RELIABILITY_MUTATION_H_
#define ACCLIMATE_TESTS_RELIABILITY_MUTATION_H_

#include <random>
#include <string>

#include "google/protobuf/message.h"

namespace acclimate::reliability {

// Of a safetensors file: a header that lies about shapes, types, offsets or its own length. Of a
// zip archive (npz, TorchScript, .pt2): fields of its records and of its directory. Of any: bits,
// pieces that are missing, doubled or in the wrong place.
std::string MutateFile(const std::string& file, std::mt19937_64& random);

// Sets a field or two, at any depth, to what nobody should send: the smallest and largest numbers,
// texts that are empty, long or no text, lists of many.
void MutateMessage(google::protobuf::Message& message, std::mt19937_64& random);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_MUTATION_H_
