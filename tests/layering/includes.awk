# Checks #include lines against the two tables of docs/design.md. Arguments: docs/design.md, then the C and CUDA files,
# as paths from the root. -v root= is where they lie. Prints file:line: message, exits 1 when anything is wrong.

function fail(message) { printf "%s:%d: %s\n", FILENAME, FNR, message; bad = 1 }
function trim(s) { gsub(/^[ \t`]+|[ \t`]+$/, "", s); return s }
# "cuda*.h" -> ^cuda.*\.h$
function glob(s) { gsub(/[.+]/, "\\\\&", s); gsub(/\*/, ".*", s); return "^" s "$" }
function exists(path,   line, rc) { rc = (getline line < path); close(path); return rc >= 0 }

# The row of the table that a path belongs to: the longest folder that is a prefix of it.
function folder_of(path,   f, best) {
  best = ""
  for (f in may) if (index(path, f "/") == 1 && length(f) > length(best)) best = f
  return best
}
# Where a quoted include points, as a path from the root; "" when it is not written from the root or from src/.
function target_of(name,   first) {
  if (index(name, "../") || index(name, "./") == 1) return ""
  first = name
  sub(/\/.*/, "", first)
  if (index(name, "/") == 0) { # beside the file that includes it
    first = FILENAME
    sub(/[^\/]*$/, "", first)
    return exists(root "/" first name) ? first name : ""
  }
  if (folder_of("src/" name) != "") return "src/" name
  if (folder_of(name) != "" || first == "tests" || first == "src") return name
  return ""
}
function check_layer(name,   from, path, to, n, list, i) {
  from = folder_of(FILENAME)
  if (from == "") { fail("this folder has no row in the table of docs/design.md"); return }
  path = target_of(name)
  if (path == "") { fail("\"" name "\" is not a path from the root or from src/ that docs/design.md knows"); return }
  to = folder_of(path)
  if (to == "") { fail(from " includes \"" name "\", which is in no folder of docs/design.md's table"); return }
  if (to == from || to == "src/core" || may[from] == "all") return
  n = split(may[from], list, /,/)
  for (i = 1; i <= n; i++) if (trim(list[i]) == to) return
  fail(from " must not include \"" name "\" (of " to "); docs/design.md allows it: src/core, " may[from])
}
# A test of folder X may include what X may: tests/io counts as io, tests/cluster as src/cluster.
function place(path) {
  if (index(path, "tests/") != 1) return path
  sub(/^tests\//, "", path)
  return folder_of("src/" path) != "" ? "src/" path : path
}
function check_fence(name,   i, n, list, k, here) {
  for (i = 1; i <= fences; i++) {
    if (name !~ fence[i]) continue
    here = place(FILENAME)
    n = split(only[i], list, /,/)
    for (k = 1; k <= n; k++)
      if (index(here "/", trim(list[k]) "/") == 1) return
    fail("\"" name "\" may be included only in " only[i] " (docs/design.md)")
  }
}

FNR == 1 && FILENAME ~ /\.md$/ { FS = "|"; table = 0 }
FILENAME ~ /\.md$/ {
  n_cells = split($0, cell, /\|/)
  if ($0 !~ /^\|/) { table = 0; next }
  if (trim(cell[2]) == "folder" && trim(cell[3]) == "may include") { table = 1; next }
  if (trim(cell[2]) == "header" && trim(cell[3]) == "only in") { table = 2; next }
  if (!table || $0 ~ /^\|[-|: ]*$/) next
  if (table == 1) { may[trim(cell[2])] = trim(cell[3]); rows++ }
  if (table == 2) {
    n_names = split(cell[2], names, /,/)
    for (i = 1; i <= n_names; i++) { fence[++fences] = glob(trim(names[i])); only[fences] = trim(cell[3]) }
  }
  next
}
/^[ \t]*#[ \t]*include/ {
  includes++
  line = $0
  sub(/^[ \t]*#[ \t]*include[ \t]*/, "", line)
  quote = substr(line, 1, 1)
  if (quote != "\"" && quote != "<") { fail("an include whose name is computed cannot be checked"); next }
  name = substr(line, 2)
  sub(/[">].*/, "", name)
  check_fence(name)
  if (quote == "\"" && FILENAME !~ /^tests\//) check_layer(name)
}
END {
  if (rows < 9 || fences < 5) { print "docs/design.md: the tables of who may include whom were not found"; bad = 1 }
  if (!bad) printf "layers: %d include lines follow docs/design.md\n", includes
  exit bad
}
