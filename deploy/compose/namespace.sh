#!/bin/sh
# Creates the namespace and the search attributes that cogflow's workflows set;
# safe to run at every start.
set -eu
until temporal operator cluster health >/dev/null 2>&1; do sleep 2; done
temporal operator namespace describe -n default >/dev/null 2>&1 ||
	temporal operator namespace create -n default --retention 72h
for attribute in CogTenant:Keyword CogKind:Keyword CogProfile:Keyword CogStage:Keyword CogFailed:Int CogCostUSD:Double; do
	temporal operator search-attribute create --name "${attribute%:*}" --type "${attribute#*:}" ||
		temporal operator search-attribute list | grep -qw "${attribute%:*}"
done
