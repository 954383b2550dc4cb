// Looks into the file of a job store past its server, which must not be running or must be idle.
#ifndef ACCLIMATE_TESTS_RELIABILITY_STORE_ROWS_H_
#define ACCLIMATE_TESTS_RELIABILITY_STORE_ROWS_H_

#include <cstdint>
#include <random>
#include <string>

namespace acclimate::reliability {

// The rows that belong to jobs, in words: "events 3"; empty: there are none.
std::string RowsOfJobs(const std::string& path);

// Flips a bit of the message of a job or of an event, as a disk may do between a write and a read,
// and leaves the file a whole database. Returns what it did.
std::string FlipBitOfARow(const std::string& path, std::mt19937_64& random);

}  // namespace acclimate::reliability

#endif  // ACCLIMATE_TESTS_RELIABILITY_STORE_ROWS_H_
