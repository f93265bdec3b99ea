{{/* Every name and label of the chart is made here. */}}

{{- define "serving.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "serving.name.short" -}}
{{- include "serving.name" . | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "serving.name.test" -}}
{{- include "serving.name.short" . }}-predicts
{{- end }}

{{- define "serving.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: service
{{- end }}

{{- define "serving.labels" -}}
{{ include "serving.selector" . }}
{{ include "serving.common" . }}
{{- end }}

{{/* Of what is no pod behind the Service. */}}
{{- define "serving.labels.test" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{ include "serving.common" . }}
{{- end }}

{{- define "serving.common" -}}
app.kubernetes.io/part-of: rounds
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ include "serving.tag" . | trunc 63 | trimSuffix "-" | trimSuffix "." | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
rounds/problem: {{ .Values.model.problem }}
{{- end }}

{{- define "serving.tag" -}}
{{- .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "serving.image" -}}
{{- .Values.image.repository }}:{{ include "serving.tag" . }}
{{- end }}

{{- define "serving.account" -}}
{{- .Values.serviceAccount.name | default (include "serving.name.short" .) }}
{{- end }}

{{/* The Secret that the chart makes where none is given. */}}
{{- define "serving.secret" -}}
{{- include "serving.name.short" . }}
{{- end }}

{{- define "serving.secret.keys" -}}
{{- .Values.keys.secret | default (include "serving.secret" .) }}
{{- end }}

{{- define "serving.secret.journal" -}}
{{- .Values.journal.secret | default (include "serving.secret" .) }}
{{- end }}

{{/* Empty where keys are given and no plain one beside them. */}}
{{- define "serving.secret.test" -}}
{{- .Values.test.keySecret | default (ternary "" (include "serving.secret" .) (ne .Values.keys.secret "")) }}
{{- end }}

{{- define "serving.secret.monitor" -}}
{{- .Values.monitor.keySecret | default (ternary "" (include "serving.secret" .) (ne .Values.keys.secret "")) }}
{{- end }}

{{/* The ConfigMap with the public keys: a given one, or the chart's own. */}}
{{- define "serving.publicKeys" -}}
{{- with .Values.signing }}
{{- if and .publicKeys .configMap }}{{ fail "signing.publicKeys and signing.configMap are both set; want one of them" }}{{ end }}
{{- if not (or .publicKeys .configMap) }}{{ fail "signing.publicKeys and signing.configMap are empty; want the public keys that verify models, such as --set-file signing.publicKeys=public.pem" }}{{ end }}
{{- .configMap | default (printf "%s-public-keys" (include "serving.name.short" $)) }}
{{- end }}
{{- end }}

{{- define "serving.claim" -}}
{{- .Values.journal.claim.existing | default (printf "%s-journal" (include "serving.name.short" .)) }}
{{- end }}
