// What goes to stdout and stderr: text for people, or one JSON document for programs.
#ifndef ACCLIMATE_CLIENT_CLI_OUTPUT_H_
#define ACCLIMATE_CLIENT_CLI_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "acclimate/v1/job.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/timestamp.pb.h"
#include "nlohmann/json.hpp"

namespace acclimate::cli {

using Json = nlohmann::ordered_json;

// What cannot be written is remembered: see LostOutput().
void PrintText(const std::string& text);
void PrintJson(const Json& document);
// OK, or why something that was printed did not reach stdout: a full disk, a closed pipe.
absl::Status LostOutput();
// On stderr; with `json` also {"error": {...}} on stdout.
void PrintError(const absl::Status& status, bool json);

// {"code": "INVALID_ARGUMENT", "message": "...", "field_violations": [{"field", "description"}]}
Json ErrorJson(const absl::Status& status);
// Protobuf's JSON form with the fields' names as in the .proto files. 64-bit integers are strings
// there, as the standard demands.
Json MessageJson(const google::protobuf::Message& message);

std::string LocalTime(const google::protobuf::Timestamp& time);
std::string ByteText(int64_t bytes);  // "1.5 MiB"
std::string ValueText(const v1::HyperparameterValue& value);

}  // namespace acclimate::cli

#endif  // ACCLIMATE_CLIENT_CLI_OUTPUT_H_
