#!/bin/sh
# Writes the variables that docker-compose.yml requires into .env, with random passwords, and
# keeps existing ones. Only the owner can read the file.
set -eu
cd "${1:-$(dirname "$0")/../..}"
umask 077
touch .env
chmod 600 .env
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
for name in POSTGRES_PASSWORD COGFLOW_S3_KEY COGFLOW_S3_SECRET; do
	grep -q "^$name=." .env || echo "$name=$(random)" >>.env
done
