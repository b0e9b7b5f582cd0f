{{/* Security context of a pod for the Pod Security level "restricted", and for OpenShift's restricted-v2 without user and groups. */}}
{{- define "co.podSecurity" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- $adapt := (((.Values.global).compatibility).openshift).adaptSecurityContext | default "auto" }}
{{- $onOpenShift := .Capabilities.APIVersions.Has "security.openshift.io/v1" }}
{{- $assigned := or (eq $adapt "force") (and (eq $adapt "auto") $onOpenShift) }}
{{- range $field, $value := .Values.podSecurityContext }}
{{- $isId := has $field (list "runAsUser" "runAsGroup" "fsGroup" "supplementalGroups") }}
{{- if not (or (kindIs "invalid" $value) (and $assigned $isId)) }}
{{ $field }}: {{ kindIs "float64" $value | ternary (int64 $value) (toJson $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "co.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Scheduling fields of a pod, from the values of operator or nats. */}}
{{- define "co.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
