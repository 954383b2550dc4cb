// Invariant I4: every byte that is served hashes to its name.
#ifndef ACCLIMATE_TESTS_RELIABILITY_BLOB_BYTES_H_
#define ACCLIMATE_TESTS_RELIABILITY_BLOB_BYTES_H_

#include <string>

#include "absl/status/statusor.h"
#include "acclimate/v1/job.pb.h"
#include "client/lib/connection.h"

namespace acclimate::reliability {

// The blob's bytes, or the error that the server answered. Fails the test where bytes that came do
// not have the CRC-32C of their chunk, or all of them not the SHA-256 that the name says. A stream
// that breaks because the server is away is read again.
absl::StatusOr<std::string> ReadBlob(client::Connection& connection, const std::string& blob);

// Reads every file of the result, and the checkpoint where there is one: each must be there.
void ExpectResultReadable(client::Connection& connection, const v1::Job& job);

// The blob of the model that the job made; empty: none.
std::string ModelOf(const v1::Job& job);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_BLOB_BYTES_H_
