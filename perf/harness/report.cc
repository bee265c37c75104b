#include "perf/harness/report.h"

#include <sys/utsname.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace viaduct::perf {
namespace {

std::string cpu_field(const std::string& name) {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with(name) && line.find(": ") != std::string::npos) return line.substr(line.find(": ") + 2);
  }
  return "unknown";
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

std::string json_of(const Row& row) {
  char numbers[200];
  std::snprintf(numbers, sizeof numbers, "\"median\": %.4g, \"min\": %.4g, \"max\": %.4g, \"runs\": %zu", row.median,
                row.min, row.max, row.runs);
  char ratio[40] = "null";
  if (!row.reference.empty()) std::snprintf(ratio, sizeof ratio, "%.4f", row.ratio);
  return "{\"suite\": " + quoted(row.suite) + ", \"case\": " + quoted(row.name) +
         ", \"metric\": " + quoted(row.metric) + ", \"unit\": " + quoted(row.unit) + ", " + numbers +
         ", \"reference\": " + (row.reference.empty() ? "null" : quoted(row.reference)) + ", \"ratio\": " + ratio + "}";
}

}  // namespace

std::map<std::string, std::string> describe_machine() {
  utsname system{};
  uname(&system);
  return {{"cpu", cpu_field("model name")},
          {"clock_mhz", cpu_field("cpu MHz")},
          {"kernel", system.release},
          {"compiler", __VERSION__}};
}

void print_table(const std::vector<Row>& rows) {
  std::printf("%-52s %-21s %10s %10s %10s %-9s %6s\n", "case", "metric", "median", "min", "max", "unit", "ratio");
  for (const Row& row : rows) {
    std::printf("%-52s %-21s %10.4g %10.4g %10.4g %-9s", row.name.c_str(), row.metric.c_str(), row.median, row.min,
                row.max, row.unit.c_str());
    if (row.reference.empty()) {
      std::printf(" %6s\n", "-");
    } else {
      std::printf(" %6.3f\n", row.ratio);
    }
  }
}

bool write_json(const std::string& file, const std::map<std::string, std::string>& machine,
                const std::vector<Row>& rows) {
  std::ofstream out(file);
  out << "{\n  \"machine\": {";
  const char* separator = "";
  for (const auto& [name, value] : machine) {
    out << separator << quoted(name) << ": " << quoted(value);
    separator = ", ";
  }
  out << "},\n  \"rows\": [";
  separator = "\n    ";
  for (const Row& row : rows) {
    out << separator << json_of(row);
    separator = ",\n    ";
  }
  out << "\n  ]\n}\n";
  out.close();
  if (out) return true;
  std::fprintf(stderr, "%s: %s\n", file.c_str(), std::strerror(errno));
  return false;
}

}  // namespace viaduct::perf
