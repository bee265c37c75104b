// What a benchmark prints: a table, and one JSON object {machine, rows}.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "perf/harness/measure.h"

namespace viaduct::perf {

// CPU, clock, kernel and compiler, as name and value.
std::map<std::string, std::string> describe_machine();

void print_table(const std::vector<Row>& rows);
// False with a message on stderr where the file cannot be written.
bool write_json(const std::string& file, const std::map<std::string, std::string>& machine,
                const std::vector<Row>& rows);

}  // namespace viaduct::perf
