#include "apps/settings/table_reader.h"

#include <algorithm>
#include <charconv>
#include <format>
#include <sstream>

namespace viaduct::settings {
namespace {

// A node as it stands in the file, shortened.
std::string shown(const toml::node& node) {
  std::ostringstream out;
  if (node.is_table()) {
    out << "a table";
  } else if (node.is_array()) {
    out << "a list";
  } else {
    node.visit([&](const auto& value) { out << toml::node_view<const toml::node>(value); });
  }
  std::string text = out.str();
  return text.size() <= 60 ? text : text.substr(0, 57) + "…";
}

struct Unit {
  std::string_view name;
  uint64_t factor;
};

// A number and a unit behind it, "64 MiB"; empty for anything else or what does not fit.
std::optional<uint64_t> parse_with_unit(std::string_view text, std::span<const Unit> units) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto unit = std::ranges::find(units, text, &Unit::name);
  if (unit == units.end() || number > std::numeric_limits<int64_t>::max() / unit->factor) return std::nullopt;
  return number * unit->factor;
}

constexpr Unit kTimes[] = {{"ns", 1}, {"us", 1'000}, {"ms", 1'000'000}, {"s", 1'000'000'000}, {"m", 60'000'000'000}};
constexpr Unit kSizes[] = {{"", 1},          {"B", 1},          {"kB", 1000},     {"KB", 1000},
                           {"KiB", 1 << 10}, {"MB", 1'000'000}, {"MiB", 1 << 20}, {"GB", 1'000'000'000},
                           {"GiB", 1u << 30}};

std::string show_duration(Duration duration) {
  if (duration.ns() % 1'000'000'000 == 0) return std::format("{}s", duration.ns() / 1'000'000'000);
  if (duration.ns() % 1'000'000 == 0) return std::format("{}ms", duration.ns() / 1'000'000);
  return std::format("{}us", duration.ns() / 1'000);
}

// Insertions, deletions and replacements between two words.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row[b.size()];
}

}  // namespace

void ConfigErrors::add(const toml::source_region& where, std::string_view key, std::string_view what) {
  const std::string place = where.begin.line > 0 ? std::format("{}:{}", file_, where.begin.line) : file_;
  lines_.push_back(key.empty() ? std::format("{}: {}", place, what) : std::format("{}: {}: {}", place, key, what));
}

std::string nearest_name(std::string_view wrong, std::span<const std::string> names) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, wrong.size() / 3) + 1;
  for (const std::string& name : names) {
    const size_t distance = edit_distance(wrong, name);
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  return best;
}

TableReader::~TableReader() {
  for (const auto& [key, node] : table_) {
    const std::string_view name = key.str();
    if (std::ranges::find(known_, name) != known_.end()) continue;
    const std::string guess = nearest_name(name, known_);
    std::string expected = guess.empty() ? "" : std::format("; did you mean '{}'?", guess);
    if (guess.empty()) {
      for (const std::string& known : known_) expected += (expected.empty() ? "; expected one of " : ", ") + known;
    }
    errors_.add(key.source(), name_of(name), "unknown key" + expected);
  }
}

std::string TableReader::name_of(std::string_view key) const {
  return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
}

const toml::node* TableReader::take(std::string_view key) {
  if (std::ranges::find(known_, key) == known_.end()) known_.emplace_back(key);
  return table_.get(key);
}

void TableReader::expected(std::string_view key, const toml::node& node, std::string_view what) {
  errors_.add(node.source(), name_of(key), std::format("expected {}, not {}", what, shown(node)));
}

toml::source_region TableReader::where(std::string_view key) const {
  const toml::node* node = key.empty() ? nullptr : table_.get(key);
  return node ? node->source() : table_.source();
}

void TableReader::fail(std::string_view key, std::string_view what) {
  take(key);
  errors_.add(where(key), name_of(key), what);
}

void TableReader::require(std::string_view key, std::string_view expected) {
  if (!take(key)) fail(key, std::format("is missing; expected {}", expected));
}

bool TableReader::whole(std::string_view key, uint64_t& out, uint64_t least, uint64_t most) {
  const toml::node* node = take(key);
  if (!node) return false;
  const auto value = node->value_exact<int64_t>();
  if (!value || *value < 0 || static_cast<uint64_t>(*value) < least || static_cast<uint64_t>(*value) > most) {
    expected(key, *node, std::format("a whole number from {} to {}", least, most));
    return false;
  }
  out = static_cast<uint64_t>(*value);
  return true;
}

void TableReader::flag(std::string_view key, bool& out) {
  const toml::node* node = take(key);
  if (!node) return;
  const auto value = node->value_exact<bool>();
  if (!value) return expected(key, *node, "true or false");
  out = *value;
}

void TableReader::text(std::string_view key, std::string& out) {
  const toml::node* node = take(key);
  if (!node) return;
  const auto value = node->value_exact<std::string>();
  if (!value) return expected(key, *node, "text in quotes");
  out = *value;
}

void TableReader::texts(std::string_view key, std::vector<std::string>& out) {
  std::vector<std::string> read;
  const toml::node* node = take(key);
  if (!node) return;
  if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) {
      const auto value = item.value_exact<std::string>();
      if (!value) return expected(key, item, "a list of texts in quotes");
      read.push_back(*value);
    }
  } else if (const auto value = node->value_exact<std::string>()) {
    read.push_back(*value);
  } else {
    return expected(key, *node, "a list of texts in quotes");
  }
  out = std::move(read);
}

void TableReader::duration(std::string_view key, Duration& out, Duration least, Duration most) {
  const toml::node* node = take(key);
  if (!node) return;
  const auto text = node->value_exact<std::string>();
  const auto value = text ? parse_with_unit(*text, kTimes) : std::nullopt;
  if (!value || static_cast<int64_t>(*value) < least.ns() || static_cast<int64_t>(*value) > most.ns())
    return expected(key, *node, std::format("a time from \"{}\" to \"{}\"", show_duration(least), show_duration(most)));
  out = Duration::nanoseconds(static_cast<int64_t>(*value));
}

bool TableReader::bytes(std::string_view key, uint64_t& out, uint64_t least, uint64_t most) {
  const toml::node* node = take(key);
  if (!node) return false;
  std::optional<uint64_t> value;
  if (const auto text = node->value_exact<std::string>()) value = parse_with_unit(*text, kSizes);
  if (const auto number = node->value_exact<int64_t>(); number && *number >= 0) value = static_cast<uint64_t>(*number);
  if (!value || *value < least || *value > most) {
    expected(key, *node, std::format("a size from {} to {} bytes, as a number or like \"64MiB\"", least, most));
    return false;
  }
  out = *value;
  return true;
}

std::optional<size_t> TableReader::choice(std::string_view key, std::span<const std::string_view> names) {
  const toml::node* node = take(key);
  if (!node) return std::nullopt;
  const auto value = node->value_exact<std::string>();
  const auto found = value ? std::ranges::find(names, *value) : names.end();
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  std::string list;
  for (const std::string_view name : names) list += std::format("{}\"{}\"", list.empty() ? "" : ", ", name);
  expected(key, *node, "one of " + list);
  return std::nullopt;
}

void TableReader::parsed(std::string_view key, const std::function<std::string(const std::string&)>& parse) {
  const toml::node* node = take(key);
  if (!node) return;
  const auto one = [&](const toml::node& item) {
    const auto value = item.value_exact<std::string>();
    const std::string problem = parse(value.value_or(""));
    if (!value || !problem.empty()) expected(key, item, problem.empty() ? "text in quotes" : problem);
  };
  if (const toml::array* list = node->as_array()) {
    for (const toml::node& item : *list) one(item);
  } else {
    one(*node);
  }
}

void TableReader::table(std::string_view key, const std::function<void(TableReader&)>& read) {
  const toml::node* node = take(key);
  if (!node) return;
  const toml::table* inner = node->as_table();
  if (!inner) return expected(key, *node, std::format("a table: [{}]", name_of(key)));
  TableReader reader(*inner, name_of(key), errors_);
  read(reader);
}

void TableReader::tables(std::string_view key, const std::function<void(TableReader&)>& read) {
  const toml::node* node = take(key);
  if (!node) return;
  const toml::array* list = node->as_array();
  if (!list || !list->is_array_of_tables()) return expected(key, *node, std::format("tables: [[{}]]", name_of(key)));
  for (const toml::node& item : *list) {
    TableReader reader(*item.as_table(), name_of(key), errors_);
    read(reader);
  }
}

}  // namespace viaduct::settings
