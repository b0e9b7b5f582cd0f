{{- define "co.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "co.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "co.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "co.name" .) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "co.selector" -}}
app.kubernetes.io/name: {{ include "co.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "co.labels" -}}
{{ include "co.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: seedcore
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "co.serviceAccount" -}}
{{ default (ternary (include "co.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{- define "co.image" -}}
{{- if .image.digest -}}
{{ printf "%s@%s" .image.repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" .image.repository (.image.tag | default .default) }}
{{- end -}}
{{- end }}

{{- define "co.operatorImage" -}}
{{ include "co.image" (dict "image" .Values.image "default" .Chart.AppVersion) }}
{{- end }}

{{- define "co.runtimeImage" -}}
{{ include "co.image" (dict "image" .Values.runtime.image "default" .Chart.AppVersion) }}
{{- end }}

{{- define "co.natsKeys" -}}
{{ include "co.fullname" . }}-nats-keys
{{- end }}

{{/* Name of the Secret with the operator's credentials file; empty if the broker requires none. */}}
{{- define "co.credentials" -}}
{{- if not .Values.nats.enabled -}}
{{ .Values.broker.credentialsSecret.name }}
{{- else if .Values.nats.auth.enabled -}}
{{ include "co.natsKeys" . }}
{{- end -}}
{{- end }}

{{/* True if the operator creates accounts for agents on the broker. */}}
{{- define "co.hasAccounts" -}}
{{- $own := false -}}
{{- range .Values.operator.extraEnv -}}
{{- $own = or $own (eq .name "COGNITIVE_NATS_ACCOUNTS") -}}
{{- end -}}
{{ or $own (and .Values.nats.enabled .Values.nats.auth.enabled) }}
{{- end }}

{{- define "co.credentialsVolume" -}}
name: nats
secret:
  secretName: {{ include "co.credentials" . }}
  items: [{key: {{ .Values.nats.enabled | ternary "operator.creds" .Values.broker.credentialsSecret.key }}, path: operator.creds}]
{{- end }}

{{/* Nine tenths of the volume: the broker rejects more before the disk is full. */}}
{{- define "co.maxFileStore" -}}
{{- $size := .Values.nats.storage.size -}}
{{ mul (regexFind "^[0-9]+" $size | int64) 921 }}{{ get (dict "Mi" "Ki" "Gi" "Mi" "Ti" "Gi") (regexFind "[A-Z]i$" $size) }}
{{- end }}

{{- define "co.natsUrl" -}}
{{- if and .Values.nats.enabled (or .Values.broker.url .Values.broker.credentialsSecret.name) -}}
{{ fail "broker.url and broker.credentialsSecret are for your own NATS: set nats.enabled=false to use them" }}
{{- else if .Values.nats.enabled -}}
nats://{{ include "co.fullname" . }}-nats.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ required "broker.url is required if nats.enabled is false: set it to the URL of your NATS" .Values.broker.url }}
{{- end -}}
{{- end }}
