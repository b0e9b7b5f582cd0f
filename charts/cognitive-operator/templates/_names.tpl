{{/* The chart's name is that of its alias in a parent chart, which may be in camel case. */}}
{{- define "co.name" -}}
{{ default .Chart.Name .Values.nameOverride | lower | replace "_" "-" | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "co.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "co.name" .) .Release.Name -}}
{{ .Release.Name | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "co.name" .) | replace "." "-" | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "co.selector" -}}
app.kubernetes.io/name: {{ include "co.name" . }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "co.labels" -}}
{{ include "co.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | replace "+" "_" | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: seedcore
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "co.serviceAccount" -}}
{{ default (ternary (include "co.fullname" .) "default" .Values.serviceAccount.create) .Values.serviceAccount.name }}
{{- end }}

{{/* Image reference. global.imageRegistry replaces the registry of a repository: a first part with a dot or a port, or localhost. */}}
{{- define "co.image" -}}
{{- $repository := .image.repository -}}
{{- with (.global).imageRegistry -}}
{{- $repository = printf "%s/%s" (trimSuffix "/" .) (regexReplaceAll "^(localhost|[^/]*[.:][^/]*)/" $repository "") -}}
{{- end -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $repository .image.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.image.tag | default .default | required (printf "the image %s needs a tag or a digest" $repository)) }}
{{- end -}}
{{- end }}

{{- define "co.operatorImage" -}}
{{ include "co.image" (dict "image" .Values.image "default" .Chart.AppVersion "global" .Values.global) }}
{{- end }}

{{- define "co.runtimeImage" -}}
{{ include "co.image" (dict "image" .Values.runtime.image "default" .Chart.AppVersion "global" .Values.global) }}
{{- end }}

{{- define "co.natsImage" -}}
{{ include "co.image" (dict "image" .Values.nats.image "global" .Values.global) }}
{{- end }}

{{/* Pull secrets of a pod. An entry of global.imagePullSecrets is a name or an object with a name. */}}
{{- define "co.pullSecrets" -}}
{{- $secrets := list -}}
{{- range concat ((.Values.global).imagePullSecrets | default list) (.Values.imagePullSecrets | default list) -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- with uniq $secrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
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
