# Makes the password of the Redis servers, once. Everybody who has the volume mounted may read it.
set -eu
file=/run/holdfast/redis-password
if [ ! -s "$file" ]; then
  # Written beside and renamed, so that nobody ever reads half a password.
  head -c 32 /dev/urandom | od -A n -t x1 | tr -d ' \n' >"$file.new"
  chmod 444 "$file.new"
  mv "$file.new" "$file"
fi
